"""The few instructions between supervisord's fork and a server's first: ``python -I -S launch.py SPEC.json``.

Runs before every start, supervised restarts included, and ends in ``exec``: the server takes over the process id, so
signals and exit reasons are the server's own. It sees to it that

- the server dies with supervisord, even when that is killed by SIGKILL (parent death signal);
- nothing that a killed predecessor started still holds its port or its files (every process of ours carries its
  program's mark in its environment, and inherits it);
- a server that ends again and again is braked, but never given up: supervisord's own brake ends in FATAL;
- environment and arguments come from a 0600 file and not through supervisord's configuration.

Only the standard library, and as little of it as possible: this time is part of every start.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path

MARK = "DATAMILL_PROGRAM"
PR_SET_PDEATHSIG = 1
# Five free starts a minute, then one second more before each further one, up to four: a killed server is back at once,
# and one that cannot start leaves the machine usable while somebody reads its log.
FREE_STARTS, WINDOW_SECONDS, LONGEST_BRAKE_SECONDS = 5, 60.0, 4.0
# SIGKILL takes effect at once, except on a process that waits for a broken disk.
SWEEP_SECONDS = 10.0


def die_with(supervisor_pid: int) -> None:
    """Have the kernel kill this process (the exec'd server too) when its parent ends.

    Args:
        supervisor_pid: who the parent should be. It may have ended before the request reached the kernel.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != supervisor_pid:
        raise SystemExit("The supervisor that started this has ended.")


def marked(mark: str) -> list[int]:
    """Process ids, other than our own, that carry ``mark`` in their environment."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = Path(entry.path, "environ").read_bytes()
            except OSError:  # ended meanwhile, or somebody else's
                continue
            if wanted in environment.split(b"\0"):
                found.append(int(entry.name))
    return found


def sweep(mark: str) -> tuple[set[int], list[int]]:
    """Kill what carries ``mark``, and wait until it is gone.

    Returns:
        Which processes were killed, and which of them are still there at the end of the budget.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + SWEEP_SECONDS
    while (left := marked(mark)) and time.monotonic() < deadline:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed.add(pid)
        time.sleep(0.01)
    return killed, left


def brake_seconds(record: Path, now: float) -> float:
    """How long to wait, given the recent starts in ``record``; this start is added to it.

    Args:
        record: one time per line.
        now: seconds on the machine's monotonic clock.
    """
    try:
        earlier = [float(line) for line in record.read_text(encoding="ascii").split()]
    except (FileNotFoundError, ValueError):
        earlier = []
    recent = [at for at in earlier if 0 <= now - at < WINDOW_SECONDS]
    record.write_text("\n".join(map(repr, [*recent, now])), encoding="ascii")
    return min(max(0.0, float(len(recent) - FREE_STARTS)), LONGEST_BRAKE_SECONDS)


def main(spec_file: str) -> None:
    """Become the program that ``spec_file`` describes."""
    spec = json.loads(Path(spec_file).read_text(encoding="utf-8"))
    die_with(int(Path(spec["supervisor_pid_file"]).read_text(encoding="ascii")))
    time.sleep(brake_seconds(Path(spec["starts_file"]), time.monotonic()))
    killed, left = sweep(spec["environment"][MARK])
    if left:
        raise SystemExit(f"Processes {left} of an earlier run survive SIGKILL; not starting beside them.")
    if killed:
        sys.stderr.write(f"Killed what an earlier run of this program left behind: processes {sorted(killed)}.\n")
    os.chdir(spec["directory"])
    os.execve(spec["argv"][0], spec["argv"], spec["environment"])  # noqa: S606  (to be replaced is the point)


if __name__ == "__main__":
    main(sys.argv[1])
