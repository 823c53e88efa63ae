"""Flights to Kafka, each exactly once, however often and wherever a replay is interrupted.

Rows go in transactions. The last record of each partition in a transaction carries, in its header ``replayed``, the
rows that are in the topic when the transaction is; so the state of the replay is in the topic itself and is committed
with the events, and reading the end of the partitions is enough to continue. A replay first takes over the topic's
transactional id: whatever an older one (killed, paused, or still running) had not committed is aborted, and
can never be. Only then it reads how far the topic is.

Rows of a month are in the order of the file; the partition is the key's hash as Kafka's own clients compute it. So the
records of each partition and their order are the same for every replay of the same months. Their offsets are not:
aborted transactions use up offsets.
"""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl
from confluent_kafka import KafkaError, KafkaException, Producer
from kafka.partitioner.default import murmur2

from datamill_infra.capabilities.kafka import client_options
from datamill_pipelines.ingestion import nycflights
from datamill_pipelines.ingestion.errors import ReplayTakenOverError, UndeliveredError
from datamill_pipelines.ingestion.pacing import Pace
from datamill_pipelines.ingestion.replayed_rows import REPLAYED, ROW, replayed_rows
from datamill_pipelines.ingestion.rows import Rows
from datamill_pipelines.ingestion.topic_admin import ensure_topic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datamill_infra.model.connections import ResolvedConnection

TOPIC = "flights"
PARTITIONS = 4
BUDGET_SECONDS = 60.0
"""How long the broker may take to begin or to end a transaction."""

ROUNDS = 5
"""How often a replay reads the topic again and continues after the broker ended its transaction."""

FENCED = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - the library's names for public codes
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Replayed:
    """What a replay did.

    Attributes:
        sent: rows added, by month.
        present: rows that were in the topic before, by month.
    """

    sent: Mapping[str, int]
    present: Mapping[str, int]


@dataclass(frozen=True)
class FlightReplay:
    """Replays months of flights into one topic.

    Attributes:
        connection: of the broker.
        topic: created if it does not exist.
        partitions: of a new topic.
        pace: how fast.
    """

    connection: ResolvedConnection
    topic: str = TOPIC
    partitions: int = PARTITIONS
    pace: Pace = field(default_factory=Pace)

    def run(self, months: Sequence[str]) -> Replayed:
        """Add the rows of some months that the topic does not have yet.

        Args:
            months: e.g. ``["2013-01"]``; replayed in this order.

        Raises:
            ConfigurationError: there is no such month.
            ReplayTakenOverError: another replay of this topic has started meanwhile.
            UnsafeTopicError: the topic would lose what is written to it.
            UndeliveredError: the broker did not confirm within the budget.
            UnhealthyError: the broker did not answer.
        """
        nycflights.check_months(months)
        partitions = ensure_topic(self.connection, self.topic, self.partitions)
        sent = dict.fromkeys(months, 0)
        present: dict[str, int] = {}
        for turn in itertools.count(1):
            try:
                self._replay(months, partitions, sent, present)
            except KafkaException as error:
                cause = error.args[0]
                if cause.code() in FENCED:
                    raise ReplayTakenOverError(
                        f"Another replay of the topic {self.topic!r} has started; it goes on, this one has ended."
                        " What this one had committed is in the topic.",
                        instruction="Wait for the other one. Running this one again adds what is then missing.",
                    ) from None
                if turn == ROUNDS or cause.fatal():
                    raise UndeliveredError(
                        f"The broker {self.connection.component} did not take the flights of {', '.join(months)}"
                        f" within {BUDGET_SECONDS:.0f} s, {turn} times. It last said: {cause.str()}.",
                        instruction="Run `datamill status` and `datamill logs` for the broker, then run this again:"
                        " it continues where it stopped.",
                    ) from None
                log.warning("The broker ended the transaction (%s); reading the topic and continuing", cause.str())
            else:
                break
        return Replayed(sent, present)

    def _replay(self, months: Sequence[str], partitions: int, sent: dict[str, int], present: dict[str, int]) -> None:
        deaths: list[KafkaError] = []
        producer = Producer(
            client_options(self.connection)
            | {
                "error_cb": lambda error: deaths.append(error) if error.fatal() else None,
                "transactional.id": f"datamill-replay-{self.topic}",
                # Half a minute after a replay was killed its open transaction no longer holds readers back.
                "transaction.timeout.ms": 30_000,
                "linger.ms": 20,
                "batch.size": 1 << 20,
                "compression.type": "lz4",
                "queue.buffering.max.messages": self.pace.most + 1,
            },
            logger=log,
        )
        try:
            self._send_missing(producer, months, partitions, sent, present)
        except KafkaException as error:
            # Every call to a dead producer says only that it is dead; the callback was told what it died of.
            producer.poll(0)
            if error.args[0].code() == KafkaError._FATAL and deaths:  # noqa: SLF001 - the library's name for a public code
                raise KafkaException(deaths[0]) from error
            raise

    def _send_missing(
        self,
        producer: Producer,
        months: Sequence[str],
        partitions: int,
        sent: dict[str, int],
        present: dict[str, int],
    ) -> None:
        # In this order: from here on no older replay can commit, so what the topic says is final.
        producer.init_transactions(BUDGET_SECONDS)
        done = replayed_rows(self.connection, self.topic)
        for month in months:
            rows = nycflights.flights([month])
            missing = rows.filter(pl.Series([row not in done for row in rows["row"].to_list()], dtype=pl.Boolean))
            present.setdefault(month, rows.height - missing.height)
            events = _events(missing, partitions)
            for part in self.pace.slices(events.timestamps):
                done |= Rows.of((events.rows[index], events.rows[index] + 1) for index in part)
                _send(producer, self.topic, events, part, str(done).encode())
                sent[month] += len(part)


@dataclass(frozen=True)
class Events:
    """Rows as messages; the lists are parallel."""

    rows: Sequence[int]
    keys: Sequence[str]
    values: Sequence[bytes]
    timestamps: Sequence[int]
    partitions: Sequence[int]


def _events(rows: pl.DataFrame, partitions: int) -> Events:
    """Keyed by flight: what happens to one flight number stays in order."""
    keys = (rows["carrier"] + rows["flight"].cast(pl.String)).to_list()
    home = {key: (murmur2(key.encode()) & 0x7FFFFFFF) % partitions for key in set(keys)}
    hour = pl.col("time_hour").str.to_datetime(time_unit="ms", time_zone="UTC")
    scheduled = rows.select((hour + pl.duration(minutes="minute")).dt.epoch("ms")).to_series()
    return Events(
        rows=rows["row"].to_list(),
        keys=keys,
        values=rows.drop("row").write_ndjson().encode().splitlines(),
        timestamps=scheduled.to_list(),
        partitions=[home[key] for key in keys],
    )


def _send(producer: Producer, topic: str, events: Events, part: range, replayed: bytes) -> None:
    """One transaction."""
    last = {events.partitions[index]: index for index in part}
    producer.begin_transaction()
    for index in part:
        headers: list[tuple[str, bytes]] = [(ROW, str(events.rows[index]).encode())]
        if last[events.partitions[index]] == index:
            headers.append((REPLAYED, replayed))
        producer.produce(
            topic,
            key=events.keys[index],
            value=events.values[index],
            partition=events.partitions[index],
            timestamp=events.timestamps[index],
            headers=headers,
        )
        producer.poll(0)
    _commit(producer)


def _commit(producer: Producer) -> None:
    """End the transaction; when the answer is lost, asking again gives the same one."""
    for attempt in itertools.count(1):
        try:
            producer.commit_transaction(BUDGET_SECONDS)
        except KafkaException as error:
            cause = error.args[0]
            if cause.txn_requires_abort():
                producer.abort_transaction(BUDGET_SECONDS)
                raise
            if not cause.retriable() or attempt == ROUNDS:
                raise
        else:
            return
