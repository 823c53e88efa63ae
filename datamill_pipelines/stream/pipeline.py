"""One worker behind a bounded queue: records are decoded while the next ones arrive."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from datamill_pipelines.stream.records import Records


class Pipeline:
    """Calls a function with records, in order, in a thread of its own.

    Args:
        work: called with each.
        most_bytes: of records that wait; :meth:`put` blocks above it. That is the back-pressure.
    """

    def __init__(self, work: Callable[[Records], None], most_bytes: int) -> None:
        self._work = work
        self._most_bytes = most_bytes
        self._queue: queue.SimpleQueue[Records | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._bytes = 0
        self._open = 0
        self._failure: BaseException | None = None
        self._discarding = False
        self._thread = threading.Thread(target=self._run, name="sink-decoder", daemon=True)
        self._thread.start()

    def put(self, records: Records) -> None:
        """Queue records, waiting while too many wait already. After a failure they go nowhere; ``drain`` raises it."""
        size = records.nbytes
        with self._changed:
            self._changed.wait_for(lambda: self._failure or self._open == 0 or self._bytes + size <= self._most_bytes)
            self._bytes += size
            self._open += 1
        self._queue.put(records)

    @property
    def failed(self) -> bool:
        """Whether the work has failed."""
        return self._failure is not None

    def drain(self) -> None:
        """Wait until everything is worked off. Raises what the work raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._open == 0)
            if self._failure is not None:
                raise self._failure

    def discard(self) -> None:
        """Forget what waits, and a failure."""
        with self._changed:
            self._discarding = True
            self._changed.wait_for(lambda: self._open == 0)
            self._discarding, self._failure = False, None

    def close(self) -> None:
        """End the thread."""
        self.discard()
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (records := self._queue.get()) is not None:
            try:
                if self._failure is None and not self._discarding:
                    self._work(records)
            except BaseException as error:  # noqa: BLE001 - raised again by put or drain
                self._failure = error
            with self._changed:
                self._bytes -= records.nbytes
                self._open -= 1
                self._changed.notify_all()
