"""One writer per deployment at a time, whoever it is: command line, UI, CI.

The lock is the kernel's (``flock``): it goes with the process that holds it, however that ends, so there is no stale
lock to break. Who holds it is written beside it for messages.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil
from filelock import FileLock, Timeout

from datamill_infra.drivers.files import state_error, write_private
from datamill_infra.model.errors import LockedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datamill_infra.model.home import Home


@dataclass(frozen=True)
class Holder:
    """Who holds a writer lock.

    Attributes:
        name: what it does, e.g. ``"datamill up"``.
        pid: its process.
        started: when that process was started, seconds since the epoch: process ids are used again.
        since: when it took the lock, ISO 8601, UTC.
    """

    name: str
    pid: int
    started: float
    since: str

    def __str__(self) -> str:
        """``datamill up (process 4711, since 2026-11-21T09:00:00+00:00)``."""
        return f"{self.name} (process {self.pid}, since {self.since})"


@contextlib.contextmanager
def writer_lock(home: Home, holder: str, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the writer lock of a deployment.

    Args:
        home: the deployment's directory; it exists.
        holder: who asks, for the messages that others get, e.g. ``"datamill up"``.
        wait_seconds: how long to wait for another holder.

    Raises:
        LockedError: another process holds it.
        StateError: the state directory cannot be written.
    """
    try:
        home.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(home.lock_file)
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        raise _locked(home) from None
    except OSError as error:
        raise state_error(home.lock_file, error) from error
    try:
        me = Holder(
            holder, os.getpid(), psutil.Process().create_time(), datetime.now(UTC).isoformat(timespec="seconds")
        )
        write_private(_file(home), json.dumps(asdict(me)))
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            _file(home).unlink()
        lock.release()


def current_holder(home: Home) -> Holder | None:
    """Who holds the writer lock now, other than this process; ``None`` when nobody does.

    The lock itself is not touched: trying to take it could make somebody else's attempt fail.
    """
    holder = _written(home)
    if holder is None or holder.pid == os.getpid():
        return None
    try:
        same = abs(psutil.Process(holder.pid).create_time() - holder.started) < 1
    except psutil.NoSuchProcess:
        return None
    return holder if same else None


def _written(home: Home) -> Holder | None:
    try:
        return Holder(**json.loads(_file(home).read_text(encoding="utf-8")))
    except (
        FileNotFoundError,
        ValueError,
        TypeError,
    ):  # not there, or being replaced by another version of this program
        return None


def _locked(home: Home) -> LockedError:
    # The holder writes its name just after it got the lock.
    for _ in range(10):
        if holder := _written(home):
            who = str(holder)
            break
        time.sleep(0.02)
    else:
        who = "another process"
    return LockedError(
        f"The deployment {home.home} is being changed by {who}.",
        instruction="Wait until it has finished, or stop it with Ctrl-C where it runs; then run the command again.",
    )


def _file(home: Home) -> Path:
    return home.state_file("writer")
