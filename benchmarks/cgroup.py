"""A memory limit that the kernel enforces: a control group of our own, version 1 or 2 (needs root)."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
EMPTY_SECONDS = 10.0


class MemoryGroup:
    """A control group with a limit.

    Args:
        folder: its directory.
        version: 1 or 2.
    """

    def __init__(self, folder: Path, version: int) -> None:
        self.folder, self.version = folder, version

    @property
    def processes(self) -> Path:
        """The file that a process writes its id into to come under the limit."""
        return self.folder / "cgroup.procs"

    def peak(self) -> int:
        """The most bytes that were charged at once: memory of the processes, and of files they had open."""
        name = "memory.max_usage_in_bytes" if self.version == 1 else "memory.peak"
        return int((self.folder / name).read_text(encoding="ascii"))

    def kills(self) -> int:
        """Processes that were killed because the limit was reached."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        facts = dict(line.split() for line in (self.folder / name).read_text(encoding="ascii").splitlines())
        return int(facts.get("oom_kill", 0))


@contextlib.contextmanager
def memory_group(limit: int) -> Iterator[MemoryGroup]:
    """A new group, removed at the end.

    Args:
        limit: bytes; there is no swap beyond it.

    Raises:
        PermissionError: only root may make one.
        FileNotFoundError: the kernel has no memory controller here.
    """
    version = 1 if (V1 / "memory.limit_in_bytes").exists() else 2
    folder = (V1 if version == 1 else V2) / f"datamill-bench-{os.getpid()}"
    if version == 2 and "memory" not in (V2 / "cgroup.controllers").read_text(encoding="ascii"):  # noqa: PLR2004
        raise FileNotFoundError("the memory controller is not available")
    folder.mkdir()
    try:
        limits = {1: ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"], 2: ["memory.max", "memory.swap.max"]}
        for name in limits[version]:
            # Without swap accounting the second does not exist, and there is nothing to account for.
            if (folder / name).exists():
                (folder / name).write_text(str(0 if name == "memory.swap.max" else limit), encoding="ascii")
        yield MemoryGroup(folder, version)
    finally:
        deadline = time.monotonic() + EMPTY_SECONDS
        while True:
            try:
                folder.rmdir()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
