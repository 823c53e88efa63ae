"""What the engine asks of a source: where to begin, what is there, and when it is all there."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from datamill_infra.model.errors import UnhealthyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from datamill_pipelines.stream.draft import Draft, Head
    from datamill_pipelines.stream.messages import MessageSource
    from datamill_pipelines.stream.records import Records


class Engine(Protocol):
    """What a feed may ask of the engine that uses it."""

    def head(self) -> Head:
        """The branch as it is."""

    def restore(self, head: Head) -> None:
        """Forget what was taken, and continue from a head."""

    def commit(self) -> bool:
        """Commit what was taken; ``False`` if that was refused."""


class Feed(ABC):
    """A source in the engine's hands."""

    name: str
    """What is landed, for messages: ``"topic flights"``."""

    def attach(self, engine: Engine) -> None:
        """Meet the engine that will use this feed. Only feeds that share a source with others need it."""
        del engine

    @abstractmethod
    def begin(self, head: Head) -> None:
        """Deliver what the head does not have, from now on.

        Raises:
            SinkError: the source is not what the dataset says it was.
            UnhealthyError: the broker did not answer.
        """

    @abstractmethod
    def poll(self, seconds: float) -> Sequence[Records]:
        """Take what is there, waiting up to ``seconds``."""

    @abstractmethod
    def finished(self) -> bool:
        """Whether everything is taken that was there when the run began."""

    @abstractmethod
    def continues(self, head: Head) -> bool:
        """Whether what was taken still continues this head."""

    @abstractmethod
    def advance(self, draft: Draft) -> dict[str, str]:
        """Make sure that the source is still the same, and write how far it is taken into the draft.

        Returns:
            What the commit's metadata say of it.

        Raises:
            SinkError: the source is another one now.
            UnhealthyError: the broker did not answer.
        """

    @property
    @abstractmethod
    def must_commit(self) -> bool:
        """Whether there is something to record though nothing was taken."""

    @abstractmethod
    def acknowledge(self) -> None:
        """Everything that was taken is committed."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the source."""


class MessageFeed(Feed):
    """A broker without positions. It has no end either: a bounded run ends when nothing comes any more.

    Args:
        source: of the messages.
        name: what is landed, for messages; commits say it, too.
        protocol: that the messages come through; commits say it.
        idle_seconds: a bounded run ends when nothing has come for so long.
        expected: a bounded run waits for this many messages (deliveries), as long as ``patience_seconds``.
        patience_seconds: how long it waits for expected ones that do not come.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        source: MessageSource,
        name: str,
        *,
        protocol: str = "",
        idle_seconds: float = 2.0,
        expected: int = 0,
        patience_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self._protocol = name, protocol
        self._source, self._clock = source, clock
        self._idle, self._expected, self._patience = idle_seconds, expected, patience_seconds
        self._taken = self._acknowledged = 0
        self._open = False
        self._last = clock()

    def begin(self, head: Head) -> None:
        """Connect; or, when what was taken was discarded, connect again, so that it is delivered again."""
        del head
        if self._open:
            self._source.close()
        self._source.open()
        self._open, self._taken, self._last = True, self._acknowledged, self._clock()

    def poll(self, seconds: float) -> Sequence[Records]:
        """Take what has arrived."""
        taken = self._source.poll(seconds)
        if taken:
            self._taken += sum(map(len, taken))
            self._last = self._clock()
        return taken

    def finished(self) -> bool:
        """Whether nothing has come for a while and nothing more is expected."""
        quiet = self._clock() - self._last
        if self._taken >= self._expected:
            return quiet > self._idle
        if quiet > self._patience:
            raise UnhealthyError(
                f"Of {self._expected} messages that {self.name} should have, {self._taken} have come, and none for"
                f" {self._patience:.0f} s.",
                instruction="See whether publisher and broker are well (`datamill status`), then run this again.",
            )
        return False

    def continues(self, head: Head) -> bool:
        """Messages have no order: they fit every head."""
        del head
        return True

    def advance(self, draft: Draft) -> dict[str, str]:
        """Messages have no positions; their ids are in the data."""
        del draft
        return {"source": self.name} | ({"protocol": self._protocol} if self._protocol else {})

    @property
    def must_commit(self) -> bool:
        """Never."""
        return False

    def acknowledge(self) -> None:
        """Acknowledge what was taken."""
        self._acknowledged = self._taken
        self._source.acknowledge()

    def close(self) -> None:
        """Disconnect."""
        if self._open:
            self._source.close()


def describe_positions(topic: str, positions: Mapping[int, int]) -> str:
    """Positions as a person reads them."""
    return ", ".join(f"{topic}/{partition}: {offset}" for partition, offset in sorted(positions.items()))
