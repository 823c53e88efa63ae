"""Files on their way into a commit: digested, described, and packed or kept whole."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import pyarrow as pa

from datamill_pipelines.datasets.blobs import digest_of_file
from datamill_pipelines.datasets.errors import InvalidTableError
from datamill_pipelines.datasets.framing import digest_of
from datamill_pipelines.datasets.logical import digest_of_plain, logical_digest
from datamill_pipelines.datasets.names import blob_key, extension_of, pack_key
from datamill_pipelines.datasets.nodes import FileEntry
from datamill_pipelines.datasets.tables import (
    ENGINE_EXTENSIONS,
    TABLE_EXTENSIONS,
    canonical_table,
    encode_table,
    read_parquet,
    schema_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamill_pipelines.datasets.objects import Body

PACKED_BELOW = 128 << 10
"""Files smaller than this share objects, unless engines read them in place."""

PACK_SIZE = 8 << 20
"""Bytes of files in one pack, about: several are written in parallel."""

_PACKERS = 4

_READ_ON = 1 << 20

TABLE_LIMIT = 1 << 30
"""Parquet files up to this size that someone else wrote are read for their logical digest."""


@dataclass(frozen=True)
class StagedFile:
    """A file whose bytes are at hand but not in the store yet."""

    entry: FileEntry
    body: Body


def stage_table(path: str, table: pa.Table, sort_by: Sequence[str], round_digits: int | None) -> StagedFile:
    """A table, through the canonical writer."""
    plain = canonical_table(table, sort_by=sort_by, round_digits=round_digits)
    data = encode_table(plain)
    entry = FileEntry(path, len(data), digest_of(data), digest_of_plain(plain), plain.num_rows, schema_of(plain))
    return StagedFile(entry, data)


def stage_file(path: str, source: bytes | bytearray | memoryview | Path | BinaryIO) -> StagedFile:
    """A file from bytes, from a file, or from a stream (which is read to its end)."""
    body: Body
    if isinstance(source, Path):
        size, small = _read_small(source)
        if small is None:
            entry = FileEntry(path, size, digest_of_file(source))
            return StagedFile(_described(entry, source), source)
        body = small
    elif isinstance(source, bytes):
        body = source
    elif isinstance(source, bytearray | memoryview):
        body = bytes(source)
    else:
        body = source.read()
    return StagedFile(_described(FileEntry(path, len(body), digest_of(body)), body), body)


def _read_small(source: Path) -> tuple[int, bytes | None]:
    """The size of a file, and its bytes unless it is larger than a pack; in half the time that a file object takes."""
    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        if size > PACK_SIZE:
            return size, None
        # One byte more than there should be: the end shows itself, and a file that grows is read to its end.
        pieces = [os.read(descriptor, size + 1)]
        while len(pieces[-1]) and (len(pieces) > 1 or len(pieces[0]) != size):
            pieces.append(os.read(descriptor, _READ_ON))
        return size, pieces[0] if len(pieces) == 1 else b"".join(pieces)
    finally:
        os.close(descriptor)


def _described(entry: FileEntry, body: Body) -> FileEntry:
    if extension_of(entry.path) not in TABLE_EXTENSIONS or entry.size > TABLE_LIMIT:
        return entry
    try:
        table = read_parquet(body.read_bytes() if isinstance(body, Path) else body)
    except pa.ArrowInvalid as error:
        raise InvalidTableError(
            f"{entry.path} is not a Parquet file: {str(error).splitlines()[0]}",
            instruction="Nothing was committed. Mend the file, or put it under another extension.",
        ) from error
    return entry._replace(logical=logical_digest(table), rows=table.num_rows, schema=schema_of(table))


def lay_out(staged: Sequence[StagedFile]) -> tuple[dict[str, FileEntry], dict[str, Body]]:
    """Decide what is kept where.

    Returns:
        The files with their places by path, and the objects to write by key.
    """
    small = [file for file in staged if _is_packed(file)]
    if len(small) == 1:
        small = []
    packed = {file.entry.path for file in small}
    entries: dict[str, FileEntry] = {}
    objects: dict[str, Body] = {}
    for file in staged:
        if file.entry.path not in packed:
            entries[file.entry.path] = file.entry
            objects[blob_key(file.entry.digest, file.entry.path)] = file.body
    groups = _groups(small)
    if len(groups) < 2:  # noqa: PLR2004
        packs = list(map(_pack, groups))
    else:
        with ThreadPoolExecutor(_PACKERS) as pool:  # joining and hashing do without Python's lock
            packs = list(pool.map(_pack, groups))
    for group, pack in zip(groups, packs, strict=True):
        objects[pack_key(pack.digest)] = pack.data
        for file in group:
            place = f"{pack.digest}:{pack.offsets[file.entry.digest]}"
            entries[file.entry.path] = file.entry._replace(place=place)
    return entries, objects


class _Pack(NamedTuple):
    """Files side by side: their bytes, its digest, and where a file begins, by the file's digest."""

    data: bytes
    digest: str
    offsets: dict[str, int]


def _pack(group: Sequence[StagedFile]) -> _Pack:
    bodies: list[bytes] = []
    offsets: dict[str, int] = {}
    end = 0
    for file in group:
        if file.entry.digest not in offsets:
            offsets[file.entry.digest] = end
            bodies.append(_bytes(file.body))
            end += len(bodies[-1])
    data = b"".join(bodies)
    return _Pack(data, digest_of(data), offsets)


def _groups(files: Sequence[StagedFile]) -> list[list[StagedFile]]:
    groups: list[list[StagedFile]] = []
    room = 0
    for file in files:
        if not groups or room < file.entry.size:
            groups.append([])
            room = PACK_SIZE
        groups[-1].append(file)
        room -= file.entry.size
    return groups


def _is_packed(file: StagedFile) -> bool:
    return file.entry.size < PACKED_BELOW and extension_of(file.entry.path).lower() not in ENGINE_EXTENSIONS


def _bytes(body: Body) -> bytes:
    return body.read_bytes() if isinstance(body, Path) else body
