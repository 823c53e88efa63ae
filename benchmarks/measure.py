"""Whole-process measurements, interleaved.

Wall time is the parent's monotonic clock; processor time and peak memory are the kernel's own accounting of the child
and everything it waited for (``wait4``).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class Sample:
    """One finished run: wall and processor seconds, peak resident memory in MiB."""

    wall: float
    cpu: float
    peak_mib: float


@dataclass(frozen=True)
class Contestant:
    """One side of a comparison.

    Attributes:
        name: as it appears in the table, with its version.
        argv: the command, started without a shell.
        environment: variables on top of the caller's.
        before: called before each run, outside the clock (fresh directories, fresh topics).
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    before: Callable[[], None] | None = None


@dataclass(frozen=True)
class Figures:
    """The medians of one contestant."""

    name: str
    samples: tuple[Sample, ...]

    @property
    def wall(self) -> float:
        """Median wall seconds."""
        return statistics.median(sample.wall for sample in self.samples)

    @property
    def cpu(self) -> float:
        """Median processor seconds, user and system."""
        return statistics.median(sample.cpu for sample in self.samples)

    @property
    def peak_mib(self) -> float:
        """Median peak resident memory, MiB."""
        return statistics.median(sample.peak_mib for sample in self.samples)


def run_once(contestant: Contestant) -> Sample:
    """Run one contestant once.

    Raises:
        RuntimeError: the command failed; the message ends with what it printed.
    """
    if contestant.before is not None:
        contestant.before()
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        process = subprocess.Popen(  # the exit is taken by wait4, which alone gives the child's own accounting
            list(contestant.argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(os.environ) | dict(contestant.environment),
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            tail = output.read().decode(errors="replace")[-4000:]
            message = f"{contestant.name} exited with {process.returncode}:\n{tail}"
            raise RuntimeError(message)
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def interleaved(contestants: Sequence[Contestant], rounds: int = 5, *, warm_up: bool = True) -> list[Figures]:
    """Run every contestant ``rounds`` times in turn, after one round that is not counted."""
    samples: dict[str, list[Sample]] = {contestant.name: [] for contestant in contestants}
    for turn in range(rounds + warm_up):
        for contestant in contestants:
            sample = run_once(contestant)
            if turn >= warm_up:
                samples[contestant.name].append(sample)
    return [Figures(name, tuple(taken)) for name, taken in samples.items()]


def ratio(ours: Figures, theirs: Figures, figure: str = "wall") -> float:
    """Median, over the paired runs, of theirs divided by ours: above 1 we are faster (or smaller)."""
    pairs = zip(ours.samples, theirs.samples, strict=True)
    return statistics.median(getattr(their, figure) / getattr(our, figure) for our, their in pairs)
