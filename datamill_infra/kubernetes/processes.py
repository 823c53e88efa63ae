"""Which process of which machine wrote something, so that others on that machine can see whether it still runs.

A process id alone says nothing elsewhere, or later: the name is of the machine's present boot, the namespace that
numbers the process, its id, and the moment at which it was started.
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil

PROC = Path("/proc")
STATE, STARTED = 0, 19
"""Fields of ``/proc/PID/stat`` after the name, which may contain anything (proc(5), fields 3 and 22)."""
ZOMBIE = "Z"


def this_process() -> str:
    """The name of the calling process; empty where there is no ``/proc`` to ask."""
    fields = _fields(os.getpid())
    return f"{_place()}/{os.getpid()}/{fields[STARTED]}" if fields else ""


def is_gone(process: str) -> bool:
    """Whether a process is known to have ended; ``False`` when that cannot be seen from here.

    Args:
        process: what :func:`this_process` told it.
    """
    before, _, started = process.rpartition("/")
    place, _, pid = before.rpartition("/")
    if not place or place != _place() or not pid.isdigit():
        return False
    fields = _fields(int(pid))
    if fields is None:  # it is gone, or what it does is nobody else's business here
        return not psutil.pid_exists(int(pid))
    return fields[STARTED] != started or fields[STATE] == ZOMBIE


def _place() -> str:
    """The present boot of this machine, and the namespace of process ids."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{(PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _fields(pid: int) -> list[str] | None:
    try:
        return (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
