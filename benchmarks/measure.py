"""Whole-process measurements, interleaved.

Wall time is the parent's monotonic clock; processor time and peak memory are the kernel's own accounting of the child
and everything it waited for (``wait4``). A script that prints ``{"seconds": ...}`` as its last line says how long the
work took without the start of the interpreter and the imports: where the work is short, that is what is compared.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class ContestantFailedError(RuntimeError):
    """A command of a comparison failed; the message ends with what it printed."""


@dataclass(frozen=True)
class Sample:
    """One finished run.

    Attributes:
        wall: seconds of the whole process.
        cpu: processor seconds of the whole process, user and system.
        peak_mib: peak resident memory.
        told: what the script's last line said, if it was JSON.
    """

    wall: float
    cpu: float
    peak_mib: float
    told: Mapping[str, Any]

    @property
    def work(self) -> float:
        """Seconds of the work itself, as the script says; of the whole process when it does not."""
        return float(self.told.get("seconds", self.wall))


@dataclass(frozen=True)
class Contestant:
    """One side of a comparison.

    Attributes:
        name: as it appears in the table.
        argv: the command, started without a shell.
        environment: variables on top of the caller's.
        before: called before each run, outside the clock (fresh directories); returns more variables.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    before: Callable[[], Mapping[str, str]] | None = None


@dataclass(frozen=True)
class Figures:
    """The medians of one contestant."""

    name: str
    samples: tuple[Sample, ...]

    @property
    def wall(self) -> float:
        """Median wall seconds."""
        return self.median("wall")

    @property
    def cpu(self) -> float:
        """Median processor seconds, user and system."""
        return self.median("cpu")

    @property
    def peak_mib(self) -> float:
        """Median peak resident memory, MiB."""
        return self.median("peak_mib")

    @property
    def work(self) -> float:
        """Median seconds of the work itself."""
        return self.median("work")

    def median(self, figure: str) -> float:
        """Median of one figure of the samples, or of one that the scripts told."""
        return statistics.median(value_of(sample, figure) for sample in self.samples)


def value_of(sample: Sample, figure: str) -> float:
    """A figure of a sample: an attribute, or something the script told."""
    return float(sample.told[figure]) if figure in sample.told else float(getattr(sample, figure))


def run_once(contestant: Contestant) -> Sample:
    """Run one contestant once.

    Raises:
        ContestantFailedError: the command failed.
    """
    more = contestant.before() if contestant.before is not None else {}
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        process = subprocess.Popen(  # the exit is taken by wait4, which alone gives the child's own accounting
            list(contestant.argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(os.environ) | dict(contestant.environment) | dict(more),
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read().decode(errors="replace")
    if process.returncode != 0:
        raise ContestantFailedError(f"{contestant.name} exited with {process.returncode}:\n{printed[-4000:]}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, _told(printed))


def interleaved(
    contestants: Sequence[Contestant],
    rounds: int = 5,
    *,
    warm_up: bool = True,
    told: Callable[[str, Sample], None] = lambda *_: None,
) -> list[Figures]:
    """Run every contestant ``rounds`` times in turn, after one round that is not counted.

    Args:
        contestants: the sides.
        rounds: runs of each that count.
        warm_up: whether there is a round before them.
        told: called after each run.
    """
    samples: dict[str, list[Sample]] = {contestant.name: [] for contestant in contestants}
    for turn in range(rounds + warm_up):
        for contestant in contestants:
            sample = run_once(contestant)
            told(contestant.name, sample)
            if turn >= warm_up:
                samples[contestant.name].append(sample)
    return [Figures(name, tuple(taken)) for name, taken in samples.items()]


def ratio(ours: Figures, theirs: Figures, figure: str = "wall") -> float:
    """Median, over the paired runs, of theirs divided by ours: above 1 we are faster (or smaller)."""
    pairs = zip(ours.samples, theirs.samples, strict=True)
    return statistics.median(value_of(their, figure) / value_of(our, figure) for our, their in pairs)


def _told(printed: str) -> dict[str, Any]:
    last = printed.strip().rpartition("\n")[2]
    if not last.startswith("{"):
        return {}
    return dict(json.loads(last))
