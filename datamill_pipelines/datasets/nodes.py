"""Nodes of the Merkle tree: what they hold, how they are digested, how they are kept.

A node is either a leaf, a run of files in path order, or an inner node, a run of references to nodes of the level
below. Its digest covers *what* the files are (path, size, byte digest, logical digest, rows, schema) and never
*where* they are kept, so equal content has equal digests in every store. Where things are kept is encoded beside it:

==================== ===============================================================================
place of a file      meaning
==================== ===============================================================================
``""``               an object of its own, named by digest and extension
``~<salt>``          the same with a salt in the name, made while the plain name was being collected
``<pack>:<offset>``  a part of a pack
==================== ===============================================================================

A node's place is ``<key>:<offset>:<length>``, or ``:<offset>:<length>`` for the record or pack the reference was read
from.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import orjson
import zstandard
from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Sequence

Schema = tuple[tuple[str, str, bool], ...]
"""Columns of a table: name, type, nullable."""

_LEVEL_BITS = 6
"""A path starts a new node of level n with probability 2**(-6 n): nodes hold 64 items on average."""

_COMPRESSION = 1
"""Digests do not compress; a higher level costs time and saves nothing."""


class FileEntry(NamedTuple):
    """One file of a tree.

    Attributes:
        path: relative, ``/`` between segments.
        size: bytes.
        digest: blake3 of the bytes.
        logical: digest of schema and sorted rows, for tables.
        rows: for tables.
        schema: for tables.
        place: where it is kept (not part of what it is).
    """

    path: str
    size: int
    digest: str
    logical: str | None = None
    rows: int | None = None
    schema: Schema | None = None
    place: str = ""

    @property
    def key(self) -> str:
        """What it is sorted by."""
        return self.path

    def same_content(self, other: FileEntry | None) -> bool:
        """Whether both are the same file, wherever kept."""
        return other is self or (other is not None and self[:6] == other[:6])


class NodeRef(NamedTuple):
    """A reference to a node of the level below.

    Attributes:
        key: the first path below it.
        digest: of the node.
        files: below it.
        size: bytes of the files below it.
        place: where it is kept.
    """

    key: str
    digest: str
    files: int
    size: int
    place: str


Item = FileEntry | NodeRef


@dataclass(frozen=True)
class Node:
    """A node in memory; places are absolute."""

    level: int
    items: tuple[Item, ...]
    digest: str = field(default="", compare=False)

    @property
    def files(self) -> int:
        """Files below."""
        return sum(item.files if isinstance(item, NodeRef) else 1 for item in self.items)

    @property
    def size(self) -> int:
        """Bytes of the files below."""
        return sum(item.size for item in self.items)


@functools.lru_cache(maxsize=65536)
def boundary_level(path: str) -> int:
    """The highest level at which ``path`` starts a new node. A function of the path alone."""
    value = int.from_bytes(blake3(path.encode()).digest(8), "little")
    if value & 63:
        return 0
    return ((value & -value).bit_length() - 1) // _LEVEL_BITS if value else 64 // _LEVEL_BITS


def encode_node(level: int, items: Sequence[Item]) -> tuple[str, bytes]:
    """The digest of a node, and the bytes it is kept as."""
    if level == 0:
        schemas: dict[Schema, int] = {}
        rows = [_row(item, schemas) for item in items if isinstance(item, FileEntry)]
        content = orjson.dumps([0, rows, list(schemas)])
    else:
        content = orjson.dumps([level, [item[:4] for item in items]])
    digest = blake3(content).hexdigest()
    places = orjson.dumps([item.place for item in items])
    compressor = zstandard.ZstdCompressor(level=_COMPRESSION, write_checksum=True)
    return digest, compressor.compress(len(content).to_bytes(4, "little") + content + places)


def _row(entry: FileEntry, schemas: dict[Schema, int]) -> tuple[object, ...]:
    schema = None if entry.schema is None else schemas.setdefault(entry.schema, len(schemas))
    return (*entry[:5], schema)


def decode_node(data: bytes, container: str) -> Node:
    """A node from the bytes it is kept as; its digest is computed, for the caller to compare.

    Args:
        data: the bytes.
        container: key of the record or pack they are from, for relative places.

    Raises:
        ValueError: the bytes are no node. (``zstandard.ZstdError`` is turned into it.)
    """
    try:
        raw = zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    length = int.from_bytes(raw[:4], "little")
    content, places = raw[4 : 4 + length], orjson.loads(raw[4 + length :])
    digest = blake3(content).hexdigest()
    level, rows, *rest = orjson.loads(content)
    if level == 0:
        schemas = [tuple(tuple(column) for column in schema) for schema in rest[0]]
        return Node(
            0,
            tuple(
                FileEntry(path, size, own, logical, count, None if schema is None else schemas[schema], place)
                for (path, size, own, logical, count, schema), place in zip(rows, places, strict=True)
            ),
            digest,
        )
    return Node(
        level,
        tuple(
            NodeRef(key, own, files, size, container + place if place.startswith(":") else place)
            for (key, own, files, size), place in zip(rows, places, strict=True)
        ),
        digest,
    )


def empty_digest() -> str:
    """The digest of a tree without files."""
    return encode_node(0, ())[0]
