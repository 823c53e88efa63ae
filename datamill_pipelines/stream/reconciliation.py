"""Whether a dataset holds as many records as the topic that it was landed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_pipelines.stream.counting import count_records
from datamill_pipelines.stream.kafka_client import describe_topic
from datamill_pipelines.stream.records import DEAD_LETTERS

if TYPE_CHECKING:
    from datamill_infra.model.connections import ResolvedConnection
    from datamill_pipelines.datasets import CommitView


@dataclass(frozen=True)
class Reconciliation:
    """Counts of both sides.

    Attributes:
        records: in the topic, up to the landed positions.
        rows: landed.
        dead_letters: landed.
        faults: where the sides differ, in words.
    """

    records: int
    rows: int
    dead_letters: int
    faults: list[str]


def reconcile(connection: ResolvedConnection, topic: str, view: CommitView) -> Reconciliation:
    """Count a topic by reading it, and compare with a commit.

    Args:
        connection: of the broker.
        topic: its name.
        view: the commit.

    Raises:
        UnknownTopicError: there is no such topic.
        UnhealthyError: the broker did not answer.
    """
    facts = describe_topic(connection, topic)
    positions = view.commit.positions
    ends = {
        partition: positions[facts.position_key(partition)].end
        for partition in facts.latest
        if facts.position_key(partition) in positions
    }
    counted = count_records(connection, topic, {each: facts.earliest[each] for each in ends}, ends)
    faults: list[str] = []
    rows = letters = 0
    for partition, records in counted.items():
        good = sum(file.rows or 0 for file in view.files(f"{partition:05d}/"))
        bad = sum(file.rows or 0 for file in view.files(f"{DEAD_LETTERS}/{partition:05d}/"))
        rows, letters = rows + good, letters + bad
        if records != good + bad:
            faults.append(f"{topic}/{partition} has {records} records, landed are {good} and {bad} dead letters")
    unknown = sorted(set(facts.latest) - set(ends))
    if ends and any(facts.latest[each] > facts.earliest[each] for each in unknown):
        faults.append(f"partitions {unknown} of {topic} are not landed at all")
    return Reconciliation(sum(counted.values()), rows, letters, faults)
