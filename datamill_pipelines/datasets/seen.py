"""What files of this machine held when they were last read, so that a snapshot after a small change reads little.

As in Git's index and DVC's state, a file whose size, times and inode are what they were is taken to hold what it held.
Its change time counts too, which nobody sets back with ``touch``. A file that had been changed only just before it
was read is read again: the next change may have got the same time (Git calls such an entry *racily clean*).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import orjson

if TYPE_CHECKING:
    from types import TracebackType

    from datamill_pipelines.datasets.contract import Transaction

_FORMAT = 1
_TICK = 50_000_000
_WHOLE_SECONDS = 2_000_000_000
"""Nanoseconds in which two changes may get one time: a few ticks of the kernel; or, where a file system keeps no
fractions of seconds, what the coarsest of them keep."""

_Stamp = list[int]
"""Size in bytes; modification and change times in nanoseconds; device and inode."""


class SeenFiles:
    """Puts files into transactions, and reads only those that may have changed since it last did.

    Use it as a context manager: at the end, what was seen is kept.

    Args:
        kept_in: the file it is kept in between processes. One that is missing or unreadable costs a full reading.
    """

    def __init__(self, kept_in: Path) -> None:
        self._kept_in = kept_in
        self._seen = _load(kept_in)

    def put(self, transaction: Transaction, path: str, file: str | Path) -> None:
        """:meth:`~.contract.Transaction.put` the file at ``path``, from its digest alone if the branch has it there.

        Raises:
            OSError: the file cannot be read.
        """
        name = os.path.abspath(file)  # noqa: PTH100 (hot path: a tenth of a Path's cost)
        stamp, known = _stamp(name), self._seen.get(name)
        if known is not None and known[0] == stamp and transaction.keep(path, known[1]):
            return
        now = time.time_ns()
        digest = transaction.put(path, Path(file))
        if digest is not None and _is_settled(stamp, now):
            self._seen[name] = (stamp, digest)
        else:
            self._seen.pop(name, None)

    def save(self) -> None:
        """Keep what was seen for the next process; atomic, and without a promise to survive a power cut."""
        with contextlib.suppress(OSError):  # it saves time, nothing else
            self._kept_in.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._kept_in.parent, prefix=".") as scratch:
                file = Path(scratch) / self._kept_in.name
                file.write_bytes(orjson.dumps([_FORMAT, self._seen]))
                file.replace(self._kept_in)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep what was seen: it is true whether or not it was committed."""
        self.save()


def _load(file: Path) -> dict[str, tuple[_Stamp, str]]:
    try:
        version, seen = orjson.loads(file.read_bytes())
        return {name: (stamp, digest) for name, (stamp, digest) in seen.items()} if version == _FORMAT else {}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _stamp(name: str) -> _Stamp:
    status = os.stat(name)  # noqa: PTH116 (hot path)
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev, status.st_ino]


def _is_settled(stamp: _Stamp, now: int) -> bool:
    """Whether a change after ``now`` cannot have got the same time."""
    _, modified, changed, *_ = stamp
    whole = modified % 1_000_000_000 == 0 and changed % 1_000_000_000 == 0
    return now - max(modified, changed) > (_WHOLE_SECONDS if whole else _TICK)
