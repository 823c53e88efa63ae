"""One pass of threads over a graph of components: what waits for what, what is skipped, what a display hears."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from datamill_infra.drivers.health import CancelledError
from datamill_infra.drivers.turns import Turns
from datamill_infra.model.errors import DatamillError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from datamill_infra.capabilities import Observation
    from datamill_infra.drivers.driver import Notify
    from datamill_infra.model.plan import Change
    from datamill_infra.model.states import Observed

Status = Literal["changed", "unchanged", "failed", "skipped", "removed"]

FAILURES = ("failed", "skipped")
"""How it ends for a component that is not as it was asked to be."""


@dataclass(frozen=True)
class Event:
    """Something that a live display shows.

    Attributes:
        component: which.
        state: one word: ``waiting``, ``checking``, ``fetching``, ``starting``, ``probing``, ``claims``, ``stopping``,
            ``deleting``; or how it ended: ``healthy``, ``unchanged``, ``failed``, ``skipped``, ``removed``.
        message: one line, may be empty.
        at: seconds since the epoch.
        outcome: how it ended, once it has.
    """

    component: str
    state: str
    message: str
    at: float
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Outcome:
    """How it ended for one component.

    Attributes:
        component: which.
        status: ``changed`` (applied, and healthy), ``unchanged`` (was as wanted, and is healthy), ``failed``,
            ``skipped`` (something it needs failed), ``removed``.
        change: what the plan said, or ``None`` when it did not come to that.
        message: one or more lines for a person.
        seconds: how long it took, waiting for others not included.
        observations: what the probes saw, by capability.
        error: why it failed.
        observed: what was there, where it was as wanted and stayed so.
    """

    component: str
    status: Status
    change: Change | None = None
    message: str = ""
    seconds: float = 0.0
    observations: Mapping[str, Observation] = field(default_factory=dict)
    error: Exception | None = None
    observed: Observed | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the component is as it was asked to be."""
        return self.status in ("changed", "unchanged", "removed")


def unseen(_event: Event) -> None:
    """Nobody watches."""


class Pass:
    """Does one piece of work for each component, each in a thread, in the order of their needs.

    Args:
        needs: component to those that must have succeeded before it; order of the keys is the order of the result.
        cancelled: ends the pass early.
        on_event: receives events.
        turns: who goes first; by default everybody at once.
    """

    def __init__(
        self,
        needs: Mapping[str, set[str]],
        cancelled: threading.Event,
        on_event: Callable[[Event], None],
        turns: Turns | None = None,
    ) -> None:
        self.needs = needs
        self.turns = turns or Turns(needs)
        self.cancelled = cancelled
        self.on_event = on_event
        self.outcomes: dict[str, Outcome] = {}
        self.settled = {name: threading.Event() for name in needs}

    def all(self, work: Callable[[str, Notify], Outcome]) -> dict[str, Outcome]:
        """Do the work for every component."""
        for name, needed in self.needs.items():
            self.emit(name, "waiting", f"for {', '.join(sorted(needed))}" if needed else "")
        with ThreadPoolExecutor(max_workers=max(1, len(self.needs)), thread_name_prefix="rollout") as pool:
            futures = [pool.submit(self._one, name, work) for name in self.needs]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                self.cancelled.set()
                raise
        return {name: self.outcomes[name] for name in self.needs}

    def emit(self, component: str, state: str, message: str, outcome: Outcome | None = None) -> None:
        """Tell whoever watches."""
        self.on_event(Event(component, state, message, time.time(), outcome))

    def _hear(self, name: str, state: str, message: str) -> None:
        """Work reports here; once the pass is cancelled, that is where it ends."""
        if self.cancelled.is_set():
            raise CancelledError(f"Interrupted at {name}.", instruction="Run the command again to continue.")
        self.emit(name, state, message)

    def _one(self, name: str, work: Callable[[str, Notify], Outcome]) -> None:
        try:
            self.outcomes[name] = outcome = self._outcome(name, work)
            word = "healthy" if outcome.status == "changed" else outcome.status
            self.emit(name, word, outcome.message, outcome)
        finally:
            self.settled[name].set()

    def _outcome(self, name: str, work: Callable[[str, Notify], Outcome]) -> Outcome:
        for needed in sorted(self.needs[name]):
            self.settled[needed].wait()
        failed = sorted(self._failed(name))
        if failed:
            self.turns.forgo(name)
            return Outcome(name, "skipped", message=f"Left as it is, because of {', '.join(failed)}.")
        with self.turns.take(name):
            return self._work(name, work)

    def _work(self, name: str, work: Callable[[str, Notify], Outcome]) -> Outcome:
        began = time.monotonic()
        try:
            outcome = work(name, lambda state, message: self._hear(name, state, message))
        except Exception as error:  # noqa: BLE001  a thread's fault belongs to its component; the caller sees it there
            reason = error.reason if isinstance(error, DatamillError) else f"{type(error).__name__}: {error}"
            outcome = Outcome(name, "failed", message=reason, error=error)
        return replace(outcome, seconds=round(time.monotonic() - began, 3))

    def _failed(self, name: str) -> Iterator[str]:
        for needed in self.needs[name]:
            outcome = self.outcomes.get(needed)
            if outcome is None or not outcome.succeeded:
                yield needed
