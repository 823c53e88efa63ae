"""A rollout in a thread of its own, seen from a Dagster step as a stream of events.

The step's thread only waits: an interrupt (Ctrl-C, a run terminated in the user interface) reaches it at once, ends
the rollout at its next opportunity, and leaves running what runs.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from datamill_infra.orchestration.watching import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from datamill_infra.drivers.passes import Event, Outcome
    from datamill_infra.drivers.rollout import Rollout

    Work = Callable[[Callable[[Event], None]], dict[str, Outcome]]

POLL_SECONDS = 0.2
"""Python delivers signals between bytecodes only: a wait without an end would hold them back."""


class Driving:
    """One pass of a rollout.

    Args:
        rollout: cancelled when the reader of :meth:`events` goes away early.
        work: ``rollout.up`` or ``rollout.down`` with everything but ``on_event``.
    """

    def __init__(self, rollout: Rollout, work: Work) -> None:
        self._rollout = rollout
        self._work = work
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._outcomes: dict[str, Outcome] = {}
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="rollout")

    def events(self) -> Iterator[Event]:
        """Everything that happens, as it happens.

        Raises:
            DatamillError: the rollout could not begin.
        """
        self._thread.start()
        try:
            while self._thread.is_alive() or not self._events.empty():
                try:
                    yield self._events.get(timeout=POLL_SECONDS)
                except queue.Empty:
                    continue
        finally:
            self._rollout.cancel()  # without effect on one that is over
            self._thread.join()
        if self._error is not None:
            raise self._error

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """How it ended, by component; complete after the last event."""
        return self._outcomes

    def _run(self) -> None:
        def pass_on(event: Event) -> None:
            tell(event)
            self._events.put(event)

        try:
            self._outcomes = self._work(pass_on)
        except BaseException as error:  # noqa: BLE001  raised again in the thread that reads the events
            self._error = error
