"""A Kafka topic in the engine's hands: bounded to what is there now, or followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException

from datamill_infra.model.errors import UnhealthyError
from datamill_pipelines.stream.errors import RecreatedTopicError
from datamill_pipelines.stream.feeds import Feed, describe_positions
from datamill_pipelines.stream.kafka_client import describe_topic
from datamill_pipelines.stream.kafka_source import KafkaSource
from datamill_pipelines.stream.positions import resume

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from datamill_infra.model.connections import ResolvedConnection
    from datamill_pipelines.stream.draft import Draft, Head
    from datamill_pipelines.stream.feeds import Engine
    from datamill_pipelines.stream.kafka_client import TopicFacts
    from datamill_pipelines.stream.kafka_source import KafkaRecords


class KafkaFeed(Feed):
    """Reads a topic from the positions in the dataset to where it ends when the run begins.

    Args:
        connection: of the broker.
        topic: its name.
        dataset: repo and branch, for messages and the name of the consumer group.
        adopt: accept a topic that was recreated, truncated, or has lost records before they were landed.
        prefetch_bytes: memory for fetched records.
    """

    def __init__(
        self,
        connection: ResolvedConnection,
        topic: str,
        dataset: str,
        *,
        adopt: bool = False,
        prefetch_bytes: int = 32 << 20,
    ) -> None:
        self.name = f"topic {topic}"
        self._connection, self._topic, self._dataset, self._adopt = connection, topic, dataset, adopt
        self._source = KafkaSource(connection, topic, f"datamill.{dataset}", prefetch_bytes=prefetch_bytes)
        self._facts: TopicFacts | None = None
        self._until: dict[int, int] = {}
        self._begun: dict[int, int] = {}
        self._fences: dict[int, int | None] = {}
        self._adopted: tuple[str, ...] = ()
        self._head: Head | None = None

    def begin(self, head: Head) -> None:
        """Read from the head's positions. The end of the run is decided the first time."""
        facts = describe_topic(self._connection, self._topic)
        self._until = self._until or dict(facts.latest)
        # A partition that the topic got since then belongs to the next run.
        self._settle(facts, head, self._until)
        self._source.assign(self._begun, self._until)

    def poll(self, seconds: float) -> Sequence[KafkaRecords]:
        """Take what is there."""
        try:
            return self._source.poll(seconds)
        except KafkaException as error:
            cause = error.args[0]
            if cause.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - the library's name for a public code
                # Retention or truncation overtook us while reading: deciding anew gives it its name.
                assert self._head is not None  # noqa: S101 (nothing is read before begin)
                self._settle(describe_topic(self._connection, self._topic), self._head, self._begun)
            raise UnhealthyError(
                f"Reading {describe_positions(self._topic, self._source.positions)} failed: {cause.str()}.",
                instruction="Run `datamill status` to see the broker's state, then run the sink again: it continues.",
            ) from error

    def finished(self) -> bool:
        """Whether the end is reached that was there when the run began."""
        return self._source.finished()

    def continues(self, head: Head) -> bool:
        """Whether the head is where we began."""
        return all(head.ends.get(self._key(each)) == fence for each, fence in self._fences.items())

    def advance(self, draft: Draft) -> dict[str, str]:
        """Record the positions, after asking once more that this is still the same topic.

        Between two questions that are answered with the same topic id the topic was the same: ids never come back.
        """
        facts = describe_topic(self._connection, self._topic)
        if self._facts is None or facts.topic_id != self._facts.topic_id:
            raise RecreatedTopicError(
                f"The topic {self._topic!r} was deleted and created again while {self._dataset} read it; what was read"
                " since the last commit is discarded.",
                instruction="Land the new topic in another dataset, or continue with it:"
                f" `datamill run sink {self._dataset.partition('@')[0]} --adopt`.",
            )
        for partition, position in self._source.positions.items():
            if self._adopted or position != self._fences[partition]:
                start = self._begun[partition]
                draft.advance(self._key(partition), position, start=start, adopt=bool(self._adopted))
        told = {"source": self.name, "offsets": describe_positions(self._topic, self._source.positions)}
        return told | ({"adopted": " ".join(self._adopted)} if self._adopted else {})

    @property
    def must_commit(self) -> bool:
        """Whether a topic was adopted and that is not recorded yet."""
        return bool(self._adopted)

    def acknowledge(self) -> None:
        """Positions are committed: they are the new fences, and the group is told."""
        self._adopted = ()
        self._begun = dict(self._source.positions)
        self._fences = dict(self._source.positions)
        self._source.acknowledge(self._source.positions)

    def close(self) -> None:
        """Leave the group."""
        self._source.close()

    def _settle(self, facts: TopicFacts, head: Head, partitions: Iterable[int]) -> None:
        self._facts, self._head = facts, head
        resumption = resume(facts, head.ends, dataset=self._dataset, partitions=list(partitions), adopt=self._adopt)
        self._begun, self._adopted = dict(resumption.positions), resumption.adopted
        self._fences = {each: head.ends.get(self._key(each)) for each in self._begun}

    def _key(self, partition: int) -> str:
        if self._facts is None:
            raise RuntimeError(self.name + " has not begun")
        return self._facts.position_key(partition)


class FollowedTopic(KafkaFeed):
    """Reads a topic for ever, sharing its partitions with the other sinks that follow it for the same dataset.

    The group decides who reads a partition, and only that: when partitions are given to us we begin where the dataset
    is, and before they are taken away we commit. A member that was thought dead and is not, is refused by the store.
    """

    _subscribed = False
    _engine: Engine | None = None
    _failure: BaseException | None = None

    def attach(self, engine: Engine) -> None:
        """Remember who commits when the partitions are divided anew."""
        self._engine = engine

    def begin(self, head: Head) -> None:
        """Join the group; or, after a refused commit, read our partitions from the new head."""
        facts = describe_topic(self._connection, self._topic)
        if self._subscribed:
            self._settle(facts, head, self._source.positions)
            self._source.assign(self._begun, {})
            return
        # Looks at the whole topic first, so that a wrong one is an error before anything is shared.
        self._settle(facts, head, facts.earliest)
        self._source.subscribe(self._given, self._taken_away)
        self._subscribed = True

    def finished(self) -> bool:
        """Never."""
        return False

    def poll(self, seconds: float) -> Sequence[KafkaRecords]:
        """Take what is there; errors of the callbacks come out here."""
        records = super().poll(seconds)
        if self._failure is not None:
            raise self._failure
        return records

    def _given(self, partitions: list[int]) -> dict[int, int]:
        try:
            assert self._engine is not None  # noqa: S101 (the engine attaches itself before it begins)
            head = self._engine.head()
            self._engine.restore(head)
            self._settle(describe_topic(self._connection, self._topic), head, partitions)
        except BaseException as error:  # noqa: BLE001 - the client swallows what callbacks raise; poll raises it again
            self._failure = error
            return {}
        return self._begun

    def _taken_away(self, lost: bool) -> None:  # noqa: FBT001 - a callback's signature
        try:
            if not lost and self._engine is not None:
                self._engine.commit()
        except BaseException as error:  # noqa: BLE001 - as above
            self._failure = error
        self._begun, self._fences = {}, {}
