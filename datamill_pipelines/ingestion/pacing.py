"""Replay at the speed of the events, or a multiple of it."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TICK_SECONDS = 0.5
"""How often a paced replay looks at its clock."""


@dataclass(frozen=True)
class Pace:
    """When to send what.

    Attributes:
        speed: seconds of event time per second; 0 is as fast as possible.
        most: how many events go at once.
        clock: seconds, monotonic.
        sleep: waits.
    """

    speed: float = 0.0
    most: int = 5_000
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def slices(self, instants: Sequence[int]) -> Iterator[range]:
        """Cut events into what is sent at once, waiting until it is time.

        Args:
            instants: milliseconds of each event. An event that is dated before its predecessor goes with it.
        """
        started, sent = self.clock(), 0
        due = list(itertools.accumulate(instants, max))
        while sent < len(due):
            end = min(sent + self.most, len(due))
            if self.speed:
                now = due[0] + (self.clock() - started) * self.speed * 1_000
                end = next((index for index in range(sent, end) if due[index] > now), end)
            if end == sent:
                self.sleep(TICK_SECONDS)
                continue
            yield range(sent, end)
            sent = end
