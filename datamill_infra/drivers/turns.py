"""Who goes first when more components could start than there are processors.

Starting is work for processors. Of eight servers that start at once on two of them, all become healthy at the end, and
those that others wait for no sooner than the rest. So only a few start at a time: first those at the head of what
takes longest, which is how the longest chain is not made longer by the rest (list scheduling by levels: T. C. Hu,
"Parallel Sequencing and Assembly Line Problems", Operations Research 9(6), 1961). On two processors this makes the demo
healthy in two thirds of the time; on eight it changes nothing.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# One more than there are processors: some servers wait for a disk while others compute.
TURNS = (os.cpu_count() or 1) + 1
# After this a start does not keep others from theirs any more: it waits for something else than a processor.
PATIENCE_SECONDS = 12.0


class Turns:
    """Gives a limited number of turns, the most urgent first.

    Args:
        needs: component to those that must have succeeded before it.
        lengths: what each may take in seconds; 0 for what starts nothing, and therefore waits for no turn. Only how
            they compare counts. By default nothing starts, and nobody waits.
        limit: of turns at a time.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        needs: Mapping[str, set[str]],
        lengths: Mapping[str, float] | None = None,
        *,
        limit: int = TURNS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._needs = needs
        self._lengths = lengths or {}
        self._limit = limit
        self._clock = clock
        self._changed = threading.Condition()
        self._began: dict[str, float] = {}
        self._finished: set[str] = set()
        # Known to come, so that a less urgent one whose thread is quicker does not get ahead of them.
        self._coming = {name for name, needed in needs.items() if not needed}
        self._urgency = {
            name: (-self._path(name), -len(self._dependants(name)), -self._depth(name), order)
            for order, name in enumerate(needs)
        }

    @contextmanager
    def take(self, name: str) -> Iterator[None]:
        """Wait for a turn, and have it for the duration of the block. What it needs has succeeded."""
        with self._changed:
            self._coming.add(name)
            while (pause := self._pause(name)) is not None:
                self._changed.wait(pause)
            self._coming.discard(name)
            if self._starts(name):
                self._began[name] = self._clock()
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._began.pop(name, None)
                self._finished.add(name)
                self._coming |= {
                    other for other, needed in self._needs.items() if name in needed and needed <= self._finished
                }
                self._changed.notify_all()

    def forgo(self, name: str) -> None:
        """Do without: it will not start."""
        with self._changed:
            self._coming.discard(name)
            self._changed.notify_all()

    def _pause(self, name: str) -> float | None:
        """Seconds after which to look again at the latest; ``None`` when it is its turn, or needs none."""
        if not self._starts(name):
            return None
        now = self._clock()
        ends = [began + PATIENCE_SECONDS for began in self._began.values() if began + PATIENCE_SECONDS > now]
        if len(ends) < self._limit and min(self._coming, key=self._urgency.__getitem__) == name:
            return None
        return min(ends, default=now + PATIENCE_SECONDS) - now

    def _starts(self, name: str) -> bool:
        return self._lengths.get(name, 0.0) > 0

    def _path(self, name: str) -> float:
        """From its own start to the end of the longest chain of those that wait for it."""
        after = (self._path(other) for other, needed in self._needs.items() if name in needed)
        return self._lengths.get(name, 0.0) + max(after, default=0.0)

    def _dependants(self, name: str) -> set[str]:
        direct = {other for other, needed in self._needs.items() if name in needed}
        return direct.union(*(self._dependants(other) for other in direct))

    def _depth(self, name: str) -> int:
        return 1 + max((self._depth(needed) for needed in self._needs[name]), default=0)
