"""How Kafka's clients are told about a broker, and what a topic is at this moment."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from datamill_infra.capabilities.kafka import client_options
from datamill_infra.model.errors import UnhealthyError
from datamill_pipelines.stream.errors import UnknownTopicError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_infra.model.connections import ResolvedConnection

BUDGET_SECONDS = 30.0
"""How long a broker may take to answer a question about a topic."""

RETRY_SECONDS = 0.1
ELECTING = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        # Metadata know of the election before the elected broker does, and the other way round.
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
    }
)
"""What a broker answers for a moment after it was started, or after a topic was made."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TopicFacts:
    """A topic, as the broker describes it.

    Attributes:
        cluster_id: of the cluster.
        topic: its name.
        topic_id: its id: a topic that is deleted and created again has another one.
        earliest: by partition, the offset of the first record that still exists.
        latest: by partition, the offset after the last record of a finished transaction.
    """

    cluster_id: str
    topic: str
    topic_id: str
    earliest: Mapping[int, int]
    latest: Mapping[int, int]

    def position_key(self, partition: int) -> str:
        """Under which key a commit keeps how far it has landed a partition."""
        return f"kafka/{self.cluster_id}/{self.topic}/{self.topic_id}/{partition}"


def kafka_python_settings(connection: ResolvedConnection) -> dict[str, Any]:
    """Address and credentials, as kafka-python takes them."""
    settings = {
        "bootstrap_servers": connection.text("bootstrap_servers"),
        "security_protocol": str(connection.get("security_protocol") or "PLAINTEXT"),
    }
    if connection.get("username"):
        settings |= {
            "sasl_mechanism": str(connection.get("sasl_mechanism") or "PLAIN"),
            "sasl_plain_username": connection.text("username"),
            "sasl_plain_password": connection.text("password"),
        }
    return settings


def describe_topic(connection: ResolvedConnection, topic: str, *, timeout: float = BUDGET_SECONDS) -> TopicFacts:
    """Ask the broker about a topic.

    Args:
        connection: of the broker.
        topic: name of the topic.
        timeout: budget in seconds.

    Raises:
        UnknownTopicError: there is no such topic.
        UnhealthyError: the broker did not answer.
    """
    admin = AdminClient(client_options(connection), logger=log)
    deadline = time.monotonic() + timeout
    while True:
        try:
            return _describe(admin, topic, max(deadline - time.monotonic(), RETRY_SECONDS))
        except KafkaException as error:
            cause = error.args[0]
            if cause.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise UnknownTopicError(
                    f"There is no topic {topic!r} on {connection.text('bootstrap_servers')}.",
                    instruction="Materialise the events asset that fills it, or create the topic.",
                ) from None
            # A topic that was made a moment ago may have no leader yet.
            if cause.code() not in ELECTING or time.monotonic() > deadline:
                raise UnhealthyError(
                    f"The broker {connection.component} ({connection.text('bootstrap_servers')}) did not answer within"
                    f" {timeout:.0f} s when asked about the topic {topic!r}: {cause.str()}.",
                    instruction="Run `datamill status` to see the broker's state, and `datamill up` to repair it.",
                ) from None
            time.sleep(RETRY_SECONDS)


def _describe(admin: AdminClient, topic: str, timeout: float) -> TopicFacts:
    cluster = admin.describe_cluster(request_timeout=timeout).result()
    described = admin.describe_topics(TopicCollection([topic]), request_timeout=timeout)[topic].result()
    partitions = [TopicPartition(topic, each.id) for each in described.partitions]
    earliest, latest = (
        admin.list_offsets(
            dict.fromkeys(partitions, spec), isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=timeout
        )
        for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
    )
    return TopicFacts(
        cluster_id=cluster.cluster_id,
        topic=topic,
        # Kafka's tools print ids with the URL-safe alphabet.
        topic_id=str(described.topic_id).replace("+", "-").replace("/", "_"),
        earliest={each.partition: future.result().offset for each, future in earliest.items()},
        latest={each.partition: future.result().offset for each, future in latest.items()},
    )
