"""Records of a Kafka topic, in read-committed isolation, from the positions that the dataset says.

The consumer group is only told afterwards how far the dataset is, for tools that show lag; nothing is ever read from
it. In a followed topic the group also divides the partitions among the sinks that follow it.
"""

from __future__ import annotations

import bisect
import itertools
import logging
import time
from operator import itemgetter
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from datamill_infra.capabilities.kafka import client_options
from datamill_infra.model.errors import UnhealthyError
from datamill_pipelines.stream.records import Origin, Records

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from datamill_infra.model.connections import ResolvedConnection

BATCH = 2_000
"""Messages taken from the client at once. More make it slower: their objects no longer fit the processor's cache."""

ENOUGH = 32_000
"""Messages that one poll returns at most: what makes decoding them at once worth while."""

SILENCE_SECONDS = 120.0
"""A broker that is gone this long, while records are known to wait, is an error: the client reconnects by itself."""

log = logging.getLogger(__name__)


class KafkaRecords(Records):
    """Consecutive records of one partition."""

    def __init__(self, partition: int, messages: Sequence[Message], values: Sequence[bytes | None]) -> None:
        super().__init__(partition, values)
        self._messages = messages

    @property
    def first_offset(self) -> int:
        """Offset of the first record."""
        return int(self._messages[0].offset())

    @property
    def end_offset(self) -> int:
        """Offset after the last record."""
        return int(self._messages[-1].offset()) + 1

    def headers(self, index: int) -> dict[str, bytes]:
        """Headers of one record; of a repeated one the last."""
        return dict(self._messages[index].headers() or ())

    def origin(self, index: int) -> Origin:
        """Topic, partition, offset, timestamp and key of one record."""
        message = self._messages[index]
        timestamp = message.timestamp()[1]
        return Origin(
            place=f"{message.topic()}/{self.partition}",
            offset=message.offset(),
            timestamp=timestamp if timestamp >= 0 else None,
            key=message.key(),
        )


class KafkaSource:
    """A consumer that starts where it is told.

    Args:
        connection: of the broker.
        topic: its name.
        group: consumer group that is told the positions.
        prefetch_bytes: memory for records that are fetched and not yet taken; the client stops fetching at it.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        connection: ResolvedConnection,
        topic: str,
        group: str,
        *,
        prefetch_bytes: int = 32 << 20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topic = topic
        self._clock = clock
        self._where = f"{connection.component} ({connection.text('bootstrap_servers')})"
        self._last_error = "nothing"
        self._last_heard = clock()
        self._until: dict[int, int] = {}
        self._passed: dict[int, int] = {}
        self._generation = 0
        self.positions: dict[int, int] = {}
        self._consumer = Consumer(
            client_options(connection)
            | {
                "group.id": group,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                # A position that no longer exists is an error with a name, never a silent jump.
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "queued.max.messages.kbytes": max(prefetch_bytes >> 10, 1_024),
                "queued.min.messages": 1_000_000,
                # How long the client looks away when its queue is full. By default a second: longer than it lasts.
                "fetch.queue.backoff.ms": 10,
                "fetch.max.bytes": max(prefetch_bytes // 2, 1 << 20),
                "max.partition.fetch.bytes": max(prefetch_bytes // 4, 1 << 20),
                # A sink that waits for its store is not dead; what it holds is fenced by the store, not by the group.
                "max.poll.interval.ms": 300_000,
                "session.timeout.ms": 10_000,
                "partition.assignment.strategy": "range",
                "error_cb": self._remember,
            },
            logger=log,
        )

    def assign(self, positions: Mapping[int, int], until: Mapping[int, int]) -> None:
        """Read partitions from positions, up to (excluding) offsets.

        Args:
            positions: offset by partition.
            until: offset by partition; a partition that is not named has no end.
        """
        self.positions, self._until = dict(positions), dict(until)
        self._last_heard = self._clock()
        self._assign()

    def subscribe(self, begin: Callable[[list[int]], Mapping[int, int]], end: Callable[[bool], None]) -> None:
        """Share the topic with the other members of the group.

        Args:
            begin: called with the partitions that are ours from now on; returns where each starts.
            end: called before they are taken away; ``True`` when they already are another's.
        """

        def on_assign(_consumer: Consumer, partitions: list[TopicPartition]) -> None:
            self._generation += 1
            self.positions = dict(begin([each.partition for each in partitions]))
            self._assign()

        def gone(*, lost: bool) -> None:
            self._generation += 1
            end(lost)
            self.positions = {}
            self._consumer.unassign()

        self._consumer.subscribe(
            [self._topic],
            on_assign=on_assign,
            on_revoke=lambda *_: gone(lost=False),
            on_lost=lambda *_: gone(lost=True),
        )

    def _assign(self) -> None:
        self._consumer.assign([TopicPartition(self._topic, each, offset) for each, offset in self.positions.items()])

    def finished(self) -> bool:
        """Whether every assigned partition has been read to its end."""
        return all(self.positions[each] >= end for each, end in self._until.items())

    def poll(self, seconds: float) -> list[KafkaRecords]:
        """Take what is there, waiting up to ``seconds`` for it.

        Raises:
            UnhealthyError: records are known to wait, and the broker has been gone too long.
            KafkaException: a fault that does not pass; ``_AUTO_OFFSET_RESET`` when a position is not there any more.
        """
        generation = self._generation
        gathered: dict[int, list[Message]] = {}
        count = taken = BATCH
        while taken == BATCH and count < ENOUGH:
            messages = self._consumer.consume(BATCH, seconds)
            taken = len(messages)
            count += taken
            if any(map(Message.error, messages)):
                messages = [each for each in messages if not self._is_event(each)]
            for run in _runs(messages):
                gathered.setdefault(run[0].partition(), []).extend(run)
        if generation != self._generation:
            # The partitions were divided anew meanwhile: what was gathered may be of the old division. Start over.
            self._passed.clear()
            self._assign()
            return []
        if gathered:
            self._last_heard = self._clock()
        elif self._until and not self.finished() and self._clock() - self._last_heard > SILENCE_SECONDS:
            raise UnhealthyError(
                f"{self._where} has sent nothing of the topic {self._topic!r} for {SILENCE_SECONDS:.0f} s, though"
                f" records wait at {self._open_ends()}. The client last reported: {self._last_error}.",
                instruction="Run `datamill status` to see the broker's state, and `datamill up` to repair it.",
            )
        taken_records = [self._take(partition, run) for partition, run in gathered.items()]
        for partition, offset in self._passed.items():
            self.positions[partition] = max(self.positions[partition], offset)
        self._passed.clear()
        return [records for records in taken_records if records is not None]

    def acknowledge(self, positions: Mapping[int, int]) -> None:
        """Tell the group how far the dataset is. For lag displays only, so a refusal is logged and nothing more."""
        offsets = [TopicPartition(self._topic, each, offset) for each, offset in positions.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            log.warning("The group was not told the positions of %s: %s", self._topic, error.args[0].str())

    def close(self) -> None:
        """Leave."""
        self._consumer.close()

    def _take(self, partition: int, run: list[Message]) -> KafkaRecords | None:
        at, end = self.positions[partition], self._until.get(partition)
        if end is not None and run[-1].offset() >= end:
            run = run[: bisect.bisect_left(run, end, key=Message.offset)]
            self._passed[partition] = end
        if not run:
            return None
        records = KafkaRecords(partition, run, list(map(Message.value, run)))
        # Markers of transactions leave gaps between offsets; nothing makes offsets overlap or go back.
        if records.first_offset < at or records.first_offset + len(run) > records.end_offset:
            raise UnhealthyError(
                f"{self._where} sent records of {self._topic}/{partition} twice or out of order: {len(run)} from"
                f" offset {records.first_offset} to {records.end_offset}, after {at}.",
                instruction="Run the sink again; if it happens again, report it with broker and client versions.",
            )
        self.positions[partition] = max(self.positions[partition], records.end_offset)
        return records

    def _is_event(self, message: Message) -> bool:
        """Note the end of a partition; raise what is an error."""
        error = message.error()
        if error is None:
            return False
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's name for a public code
            # Behind the last record there may be markers of transactions: only this event says they were passed.
            # It may come in one poll with the records before it, so it counts after them.
            partition, end = message.partition(), self._until.get(message.partition())
            if end is not None and message.offset() >= end:
                self._passed[partition] = end
            self._last_heard = self._clock()
            return True
        if error.retriable() or error.code() in TRANSIENT:
            self._remember(error)
            return True
        raise KafkaException(error)

    def _remember(self, error: KafkaError) -> None:
        self._last_error = error.str()
        log.info("%s: %s", self._where, error.str())

    def _open_ends(self) -> str:
        ends = {each: end for each, end in self._until.items() if self.positions[each] < end}
        return ", ".join(f"{self._topic}/{each} {self.positions[each]} to {end}" for each, end in ends.items())


TRANSIENT = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
    }
)
"""What the client reports and mends by itself."""


def _runs(messages: Sequence[Message]) -> list[list[Message]]:
    """Cut a batch where the partition changes."""
    partitions = list(map(Message.partition, messages))
    if partitions and partitions.count(partitions[0]) == len(partitions):
        return [list(messages)]
    pairs = zip(partitions, messages, strict=True)
    return [[message for _, message in run] for _, run in itertools.groupby(pairs, key=itemgetter(0))]
