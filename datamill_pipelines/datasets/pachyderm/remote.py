"""A file in Pachyderm as a Python file: read where it is, seekable, without a copy on disk."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pachyderm_sdk.api import pfs

    from datamill_pipelines.datasets.pachyderm.door import Door

READ_AHEAD = 1 << 20
"""Bytes of the buffer in front of a remote file."""


class RemoteFile(io.RawIOBase):
    """The bytes of one file. Reading on from where one stopped goes on with the same stream; a seek begins another.

    Args:
        door: the server.
        file: commit and path.
        size: bytes.
        what: the request as a person would say it, e.g. ``"read part-0.parquet of raw/flights@ab12"``.
    """

    def __init__(self, door: Door, file: pfs.File, size: int, what: str) -> None:
        super().__init__()
        self._door, self._file, self._size, self._what = door, file, size, what
        self._at = 0
        self._stream: Iterator[Any] | None = None
        self._ahead = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Bytes from the start."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere else."""
        target = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if target != self._at:
            self._at, self._stream, self._ahead = max(target, 0), None, b""
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 (any writable buffer)
        """Some bytes, as many as there are at hand.

        Raises:
            StoreUnreachableError: the server went away.
            StoreError: it sent fewer bytes than the file has.
        """
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        with self._door.asking(self._what):
            if self._stream is None:
                self._stream = iter(self._door.pfs.get_file(file=self._file, offset=self._at))
            while not self._ahead:
                piece = next(self._stream, None)
                if piece is None:
                    raise self._door.cut_short(self._what, self._at, self._size)
                self._ahead = piece.value
        taken = self._ahead[:wanted]
        self._ahead = self._ahead[len(taken) :]
        buffer[: len(taken)] = taken
        self._at += len(taken)
        return len(taken)
