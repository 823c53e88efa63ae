"""The one door to the file system calls that decide what survives a power cut.

:class:`~datamill_pipelines.datasets.local.LocalStore` writes through it and nothing else, so that tests can record each
call, fail it, stop at it, or forget what was never synced.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
from pathlib import Path
from typing import Any

_SYNC_FILE_RANGE_WRITE = 2


@functools.cache
def _sync_file_range() -> Any:  # noqa: ANN401 (a function of ctypes)
    """``sync_file_range``, where the C library has it."""
    return getattr(ctypes.CDLL(None), "sync_file_range", None)


class Files:
    """Calls on paths and descriptors, one to one."""

    def create(self, path: str) -> int:
        """A descriptor of a new file; ``FileExistsError`` when there is one."""
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644)

    def write(self, descriptor: int, body: bytes | Path) -> None:
        """Append all of ``body``."""
        if isinstance(body, Path):
            with body.open("rb") as source, os.fdopen(os.dup(descriptor), "wb", buffering=0) as target:
                shutil.copyfileobj(source, target, 1 << 20)
            return
        view = memoryview(body)
        while view:
            view = view[os.write(descriptor, view) :]

    def start_writeback(self, descriptor: int) -> None:
        """Begin to write back, so that a later :meth:`sync` waits less. A hint without a promise."""
        call = _sync_file_range()
        if call is not None:
            call(descriptor, ctypes.c_int64(0), ctypes.c_int64(0), _SYNC_FILE_RANGE_WRITE)

    def sync(self, descriptor: int) -> None:
        """Bytes and size survive a power cut from here on (the name does not)."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close."""
        os.close(descriptor)

    def rename(self, old: str, new: str) -> None:
        """Move, replacing."""
        os.rename(old, new)  # noqa: PTH104 (a tenth of a Path's cost, here and below)

    def link(self, old: str, new: str) -> None:
        """Give the file a second name; ``FileExistsError`` when it is taken."""
        os.link(old, new)

    def unlink(self, path: str) -> None:
        """Remove a name."""
        os.unlink(path)  # noqa: PTH108

    def make_folder(self, path: str) -> None:
        """Make one folder; none is made when it exists."""
        try:
            os.mkdir(path)  # noqa: PTH102
        except FileExistsError:
            if not os.path.isdir(path):  # noqa: PTH112
                raise

    def sync_folder(self, path: str) -> None:
        """The names in the folder survive a power cut from here on."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
