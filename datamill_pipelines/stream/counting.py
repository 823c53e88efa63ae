"""How many records a topic has, counted by reading it: offsets cannot be counted, markers use them up too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_pipelines.stream.kafka_source import KafkaSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_infra.model.connections import ResolvedConnection


def count_records(
    connection: ResolvedConnection, topic: str, start: Mapping[int, int], end: Mapping[int, int]
) -> dict[int, int]:
    """Committed records by partition, between offsets.

    Args:
        connection: of the broker.
        topic: its name.
        start: first offset by partition.
        end: offset after the last, by partition.

    Raises:
        UnhealthyError: the broker did not answer.
    """
    source = KafkaSource(connection, topic, f"datamill.count.{topic}")
    counted = dict.fromkeys(end, 0)
    try:
        source.assign(start, end)
        while not source.finished():
            for records in source.poll(0.1):
                counted[records.partition] += len(records)
    finally:
        source.close()
    return counted
