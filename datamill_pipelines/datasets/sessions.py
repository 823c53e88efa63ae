"""Writers at work, on the store's own clock.

A session tells collections not to condemn what is younger than it. It is what spares a writer work, not what keeps data
safe: that is the fence (:mod:`.condemned`). It ends with its process, or when it is a day old.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_pipelines.datasets.errors import DamagedObjectError, MissingObjectError
from datamill_pipelines.datasets.framing import new_nonce, pack_record, unpack_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from datamill_pipelines.datasets.objects import ObjectStore

LIFE = timedelta(days=1)
_FRESH_SECONDS = 60.0


class Session:
    """The session of one open store: begun with its first transaction.

    Args:
        objects: the store.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._process = 0
        self._key = ""
        self._since = 0.0
        self._working = 0
        self._lock = threading.Lock()

    @contextmanager
    def work(self) -> Iterator[None]:
        """A transaction is under way: whatever it writes is younger than the session."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def begin(self) -> None:
        """A transaction begins."""
        with self._lock:
            forked = self._process != os.getpid()
            if forked:
                self._process, self._key, self._working = os.getpid(), f"sessions/{new_nonce()}", 0
            if forked or (self._working == 0 and time.monotonic() - self._since > _FRESH_SECONDS):
                # Before anything is written, so that everything written is younger.
                self._objects.put_volatile(self._key, pack_record("session", _whereabouts()))
                self._since = time.monotonic()
            self._working += 1

    def end(self) -> None:
        """A transaction has ended."""
        with self._lock:
            self._working -= 1

    def close(self) -> None:
        """No more transactions."""
        with self._lock:
            if self._process == os.getpid():
                self._objects.delete([self._key])
            self._process = 0


def oldest_session(objects: ObjectStore, now: datetime) -> tuple[datetime | None, list[str]]:
    """When the oldest session that may be at work began (``None``: there is none), and the keys of dead ones."""
    oldest: datetime | None = None
    dead = []
    for info in objects.scan("sessions"):
        try:
            facts, _ = unpack_record("session", objects.get(info.key), key=info.key, where=objects.url)
        except MissingObjectError:
            continue
        except DamagedObjectError:
            facts = {}  # of an unknown writer: its age decides
        if now - info.modified > LIFE or _is_dead(facts):
            dead.append(info.key)
        else:
            oldest = min(oldest or info.modified, info.modified)
    return oldest, dead


def _whereabouts() -> dict[str, object]:
    return {"host": socket.gethostname(), "place": _place(), "process": os.getpid(), "started": _started(os.getpid())}


def _is_dead(facts: dict[str, object]) -> bool:
    """Whether the writer was a process of this very machine that is gone."""
    place = _place()
    if not place or facts.get("place") != place:
        return False
    return _started(int(str(facts["process"]))) != facts.get("started")


def _place() -> str:
    """What tells two sets of process ids apart: the boot of the machine, and the namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116 (the link's target, not the link)
    except OSError:
        return ""


def _started(process: int) -> str:
    """When a process started, in the kernel's ticks; ``""`` when there is none, or it is only waited for."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
