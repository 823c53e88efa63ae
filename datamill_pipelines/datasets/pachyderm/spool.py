"""Files on their way to the server. They are sent at the end of the transaction, all in one stream.

Sooner would be worse: what is uploaded for later lives half an hour on the server, and a transaction may take longer.
"""

from __future__ import annotations

import tempfile
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pachyderm_sdk.api import pfs

from datamill_pipelines.datasets.pachyderm.names import pachyderm_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PIECE = 1 << 20
"""Bytes of one message. A server may take as little as 4 MiB (the SDK's own 19 MiB were refused)."""

IN_MEMORY = 64 << 20
"""Bytes kept in memory; what comes after waits in a temporary directory."""

Body = bytes | Path


class Spool:
    """Bodies of files by path."""

    def __init__(self) -> None:
        self._bodies: dict[str, Body] = {}
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._held = 0
        self._count = 0

    def put(self, path: str, source: bytes | bytearray | memoryview | Path | BinaryIO) -> None:
        """Take a file; a path must stay as it is until it is sent, a stream is read to its end now."""
        self.forget(path)
        if isinstance(source, Path):
            self._bodies[path] = source
        elif isinstance(source, bytes | bytearray | memoryview):
            self._take(path, bytes(source))
        else:
            pieces = iter(lambda: source.read(PIECE), b"")
            first = next(pieces, b"")
            second = next(pieces, b"")
            if second:
                self._bodies[path] = self._written(chain((first, second), pieces))
            else:
                self._take(path, first)

    def forget(self, path: str) -> None:
        """Leave a file out."""
        body = self._bodies.pop(path, b"")
        if isinstance(body, bytes):
            self._held -= len(body)

    def paths(self) -> set[str]:
        """What has been put."""
        return set(self._bodies)

    def size(self, path: str) -> int:
        """Bytes of a file."""
        body = self._bodies[path]
        return len(body) if isinstance(body, bytes) else body.stat().st_size

    def is_equal(self, path: str, other: BinaryIO) -> bool:
        """Whether a file has the bytes of another one, which is read as far as they agree."""
        return all(other.read(len(piece)) == piece for piece in _pieces(self._bodies[path])) and not other.read(1)

    def requests(self, deletes: Iterable[str]) -> Iterator[pfs.ModifyFileRequest]:
        """The stream that makes a file set of it.

        Args:
            deletes: paths of files to delete.
        """
        for path in sorted(deletes):
            yield pfs.ModifyFileRequest(delete_file=pfs.DeleteFile(path=pachyderm_path(path)))
        for path, body in sorted(self._bodies.items()):
            target = pachyderm_path(path)
            # Without this, the server would append to the file that is there.
            yield pfs.ModifyFileRequest(delete_file=pfs.DeleteFile(path=target))
            # An empty piece first: a file without bytes is a file too.
            yield pfs.ModifyFileRequest(add_file=pfs.AddFile(path=target, raw=b""))
            for piece in _pieces(body):
                yield pfs.ModifyFileRequest(add_file=pfs.AddFile(path=target, raw=piece))

    def close(self) -> None:
        """Remove what was written."""
        self._bodies.clear()
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def _take(self, path: str, body: bytes) -> None:
        if self._held + len(body) > IN_MEMORY:
            self._bodies[path] = self._written([body])
        else:
            self._held += len(body)
            self._bodies[path] = body

    def _written(self, pieces: Iterable[bytes]) -> Path:
        if self._directory is None:
            self._directory = tempfile.TemporaryDirectory(prefix="datamill-")
        self._count += 1
        target = Path(self._directory.name) / str(self._count)
        with target.open("xb") as file:
            file.writelines(pieces)
        return target


def _pieces(body: Body) -> Iterator[bytes]:
    if isinstance(body, bytes):
        for start in range(0, len(body), PIECE):
            yield body[start : start + PIECE]
        return
    with body.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
