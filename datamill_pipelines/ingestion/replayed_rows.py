"""How far a replay is, read from the ends of the topic's partitions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from datamill_infra.capabilities.kafka import client_options
from datamill_infra.model.errors import UnhealthyError
from datamill_pipelines.ingestion.rows import Rows
from datamill_pipelines.stream.kafka_client import describe_topic
from datamill_pipelines.stream.kafka_source import KafkaSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_infra.model.connections import ResolvedConnection

ROW = "row"
"""Header of each record: number of the row in the source file."""

REPLAYED = "replayed"
"""Header of a transaction's last record in each partition: the rows in the topic, as intervals."""

LOOK_BACK = 64
"""Offsets read from the end at first; eight times as many each time nothing is found."""

LOOK_SECONDS = 0.05
"""How long one look lasts when fewer messages come than it asked for."""

SILENCE_SECONDS = 30.0


def replayed_rows(connection: ResolvedConnection, topic: str) -> Rows:
    """The rows in the topic, counting finished transactions only.

    Raises:
        UnhealthyError: the broker did not answer.
    """
    facts = describe_topic(connection, topic)
    consumer = Consumer(
        client_options(connection)
        | {
            "group.id": f"datamill-replay-{topic}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            # An answer that says "no more" must not wait for more.
            "fetch.wait.max.ms": 20,
        }
    )
    try:
        states: list[Rows] = []
        open_ends = {each: end for each, end in facts.latest.items() if end > facts.earliest[each]}
        back = LOOK_BACK
        while open_ends:
            starts = {each: max(facts.earliest[each], end - back) for each, end in open_ends.items()}
            found = _last_states(consumer, topic, starts, open_ends)
            states += [Rows.parse(text) for text in found.values()]
            open_ends = {
                each: end
                for each, end in open_ends.items()
                if each not in found and starts[each] > facts.earliest[each]
            }
            back *= 8
        # Each state includes those before it, in whatever partition: their union is the latest.
        return Rows.of(interval for state in states for interval in state.intervals)
    finally:
        consumer.close()


def _last_states(consumer: Consumer, topic: str, starts: Mapping[int, int], ends: Mapping[int, int]) -> dict[int, str]:
    """By partition, the state in the last record between ``starts`` and ``ends`` that has one."""
    consumer.assign([TopicPartition(topic, each, start) for each, start in starts.items()])
    states: dict[int, str] = {}
    at, heard = dict(starts), time.monotonic()
    while any(at[each] < ends[each] for each in at):
        messages = consumer.consume(1_000, LOOK_SECONDS)
        if messages:
            heard = time.monotonic()
        elif time.monotonic() - heard > SILENCE_SECONDS:
            raise UnhealthyError(
                f"The broker sent nothing of {topic!r} for {SILENCE_SECONDS:.0f} s, though it has records up to"
                f" {dict(ends)} (by partition) and {at} was reached.",
                instruction="Run `datamill status` to see the broker's state, and `datamill up` to repair it.",
            )
        for message in messages:
            error, partition = message.error(), message.partition()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                raise KafkaException(error)
            at[partition] = max(at[partition], message.offset() + (error is None))
            if error is None and message.offset() < ends[partition]:
                state = dict(message.headers() or ()).get(REPLAYED)
                if isinstance(state, bytes):
                    states[partition] = state.decode()
    return states


def rows_in_topic(connection: ResolvedConnection, topic: str) -> tuple[list[int], int]:
    """Row numbers of all records in the topic, read one by one; and how many records have none.

    Raises:
        UnhealthyError: the broker did not answer.
    """
    facts = describe_topic(connection, topic)
    source = KafkaSource(connection, topic, f"datamill.count.{topic}")
    found: list[int] = []
    foreign = 0
    try:
        source.assign(facts.earliest, facts.latest)
        while not source.finished():
            for records in source.poll(LOOK_SECONDS):
                for index in range(len(records)):
                    row = records.headers(index).get(ROW)
                    if row is None:
                        foreign += 1
                    else:
                        found.append(int(row))
    finally:
        source.close()
    return found, foreign
