"""A topic in memory, for tests of sinks that need no broker. It passes the engine's contract as Kafka's feed does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from datamill_pipelines.stream.feeds import Feed
from datamill_pipelines.stream.records import Origin, Records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamill_pipelines.stream.draft import Draft, Head


@dataclass
class MemoryTopic:
    """Records by partition; their offsets are their places.

    Attributes:
        partitions: values in order; ``None`` is a record without a value.
        name: of the topic.
        acknowledged: offsets by partition that a feed has acknowledged.
    """

    partitions: list[list[bytes | None]]
    name: str = "memory"
    acknowledged: dict[int, int] = field(default_factory=dict)


class MemoryRecords(Records):
    """Consecutive records of one partition of a :class:`MemoryTopic`."""

    def __init__(self, topic: str, partition: int, start: int, values: Sequence[bytes | None]) -> None:
        super().__init__(partition, values)
        self._topic, self._start = topic, start

    def origin(self, index: int) -> Origin:
        """Topic, partition and offset."""
        return Origin(f"{self._topic}/{self.partition}", offset=self._start + index)


class MemoryFeed(Feed):
    """Reads a :class:`MemoryTopic` to its end.

    Args:
        topic: what is read.
        batch: records of one partition that one poll takes.
    """

    def __init__(self, topic: MemoryTopic, batch: int = 100) -> None:
        self.name = f"topic {topic.name}"
        self._topic, self._batch = topic, batch
        self._until = [len(records) for records in topic.partitions]
        self._begun: list[int] = []
        self._at: list[int] = []

    def begin(self, head: Head) -> None:
        """Read from the head's positions."""
        self._begun = [head.ends.get(self._key(number), 0) for number in range(len(self._until))]
        self._at = list(self._begun)

    def poll(self, seconds: float) -> list[MemoryRecords]:
        """Take one batch of the first partition that has more."""
        del seconds
        for number, (at, end) in enumerate(zip(self._at, self._until, strict=True)):
            if at < end:
                upto = min(at + self._batch, end)
                self._at[number] = upto
                return [MemoryRecords(self._topic.name, number, at, self._topic.partitions[number][at:upto])]
        return []

    def finished(self) -> bool:
        """Whether all is read."""
        return all(at >= end for at, end in zip(self._at, self._until, strict=True))

    def continues(self, head: Head) -> bool:
        """Whether the head is where we began."""
        return self._begun == [head.ends.get(self._key(number), 0) for number in range(len(self._until))]

    def advance(self, draft: Draft) -> dict[str, str]:
        """Record the positions."""
        for number, (begun, at) in enumerate(zip(self._begun, self._at, strict=True)):
            if at > begun:
                draft.advance(self._key(number), at, start=begun)
        return {"source": self.name}

    @property
    def must_commit(self) -> bool:
        """Never."""
        return False

    def acknowledge(self) -> None:
        """Remember what was acknowledged."""
        self._begun = list(self._at)
        self._topic.acknowledged = dict(enumerate(self._at))

    def close(self) -> None:
        """Nothing to let go of."""

    def _key(self, partition: int) -> str:
        return f"memory/{self._topic.name}/{partition}"
