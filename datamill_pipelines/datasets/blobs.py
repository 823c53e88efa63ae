"""Bytes of files: kept under their digest, checked whenever they are read."""

from __future__ import annotations

import io
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from blake3 import blake3

from datamill_pipelines.datasets.errors import StoreError
from datamill_pipelines.datasets.framing import damaged, digest_of
from datamill_pipelines.datasets.names import blob_key, pack_key
from datamill_pipelines.datasets.objects import PARALLEL_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from datamill_pipelines.datasets.nodes import FileEntry
    from datamill_pipelines.datasets.objects import ObjectStore

_IN_MEMORY = 64 << 20
"""Files up to this many bytes are opened in memory, larger ones from a temporary file."""

_BLOCK = 4 << 20


class BlobReader:
    """Reads files' bytes.

    Args:
        objects: where they are kept.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects

    def read(self, entry: FileEntry) -> bytes:
        """The bytes of a file.

        Raises:
            MissingObjectError: they are gone.
            DamagedObjectError: they are not what was written.
        """
        try:
            return self._read(entry)
        except StoreError:
            # A repair keeps what it could not put back into a pack as an object of its own.
            plain = entry._replace(place="")
            if plain == entry or self.objects.size(place_of(plain)[0]) is None:
                raise
            return self._read(plain)

    def _read(self, entry: FileEntry) -> bytes:
        key, offset = place_of(entry)
        data = self.objects.get(key) if offset is None else self._part(key, offset, entry.size)
        if len(data) != entry.size or digest_of(data) != entry.digest:
            raise damaged(key, self.objects.url, f"it does not hold {entry.path} as it was committed")
        return data

    def read_each(self, entries: Sequence[FileEntry]) -> Iterator[tuple[FileEntry, bytes]]:
        """Several files, read ahead in parallel, in order."""
        if len(entries) <= 1:
            for entry in entries:
                yield entry, self.read(entry)
            return
        with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
            for start in range(0, len(entries), PARALLEL_REQUESTS):
                group = entries[start : start + PARALLEL_REQUESTS]
                yield from zip(group, pool.map(self.read, group), strict=True)

    def open(self, entry: FileEntry) -> BinaryIO:
        """The file, checked, opened for reading."""
        if entry.size <= _IN_MEMORY:
            return io.BytesIO(self.read(entry))
        key, _ = place_of(entry)
        path = self.objects.local_path(key)
        if path is not None:
            check_file(path, entry, key, self.objects.url)
            return path.open("rb")
        with tempfile.NamedTemporaryFile(prefix="datamill-") as file:
            self.download(entry, Path(file.name))
            return open(file.name, "rb")  # noqa: PTH123 (outlives its name on purpose)

    def download(self, entry: FileEntry, target: Path) -> None:
        """Write the file to ``target``, checked."""
        key, offset = place_of(entry)
        if offset is not None or entry.size <= _IN_MEMORY:
            target.write_bytes(self.read(entry))
            return
        self.objects.download(key, target)
        check_file(target, entry, key, self.objects.url)

    def addresses(self, entries: Sequence[FileEntry], scheme: str | None) -> list[str]:
        """Where engines can read the files; packed ones are written out first."""
        missing = {}
        keys = []
        for entry in entries:
            key, offset = place_of(entry)
            if offset is not None:
                key = blob_key(entry.digest, entry.path)
                if key not in missing and self.objects.size(key) != entry.size:
                    missing[key] = self.read(entry)
            keys.append(key)
        if missing:
            self.objects.put_many(list(missing.items()))
        return [self.objects.uri(key, scheme) for key in keys]

    def _part(self, key: str, offset: int, size: int) -> bytes:
        return self.objects.get_range(key, offset, size) if size else b""


def place_of(entry: FileEntry) -> tuple[str, int | None]:
    """The key of the object that holds a file, and the offset in it (``None``: it is the whole object)."""
    if not entry.place or entry.place.startswith("~"):
        return blob_key(entry.digest, entry.path, entry.place[1:]), None
    pack, offset = entry.place.split(":")
    return pack_key(*pack.split("~")), int(offset)


def check_file(path: Path, entry: FileEntry, key: str, where: str) -> None:
    """Compare a file with what was committed.

    Raises:
        DamagedObjectError: it is something else.
    """
    if digest_of_file(path) != entry.digest:
        raise damaged(key, where, f"it does not hold {entry.path} as it was committed")


def digest_of_file(path: Path) -> str:
    """The digest of a file's bytes."""
    digest = blake3()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
