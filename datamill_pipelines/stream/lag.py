"""How far a dataset is behind its topic, in offsets (markers of transactions count)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_infra.model.errors import UnknownNameError
from datamill_pipelines.datasets.errors import NotFoundError
from datamill_pipelines.stream.kafka_client import describe_topic

if TYPE_CHECKING:
    from datamill_infra.model.connections import ResolvedConnection
    from datamill_pipelines.datasets import DatasetStore

QUESTION_SECONDS = 5.0


@dataclass(frozen=True)
class Lag:
    """The distance between a topic and a dataset.

    Attributes:
        offsets: between the landed positions and the end.
        key: names the end of the topic; another end has another key.
    """

    offsets: int
    key: str


def topic_lag(connection: ResolvedConnection, topic: str, store: DatasetStore, dataset: str) -> Lag:
    """Compare a topic's end with the positions in a dataset.

    Args:
        connection: of the broker.
        topic: its name.
        store: of the datasets.
        dataset: ``repo@branch``.

    Raises:
        UnknownTopicError: there is no such topic.
        UnhealthyError: the broker did not answer.
    """
    facts = describe_topic(connection, topic, timeout=QUESTION_SECONDS)
    try:
        positions = store.commit_view(dataset).commit.positions
    except (NotFoundError, UnknownNameError):
        positions = {}
    behind = 0
    for partition, end in facts.latest.items():
        landed = positions.get(facts.position_key(partition))
        behind += max(0, end - (landed.end if landed else facts.earliest[partition]))
    ends = ",".join(str(end) for _, end in sorted(facts.latest.items()))
    return Lag(behind, f"{facts.cluster_id}/{facts.topic_id}:{ends}")
