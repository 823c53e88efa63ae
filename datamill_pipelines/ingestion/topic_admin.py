"""The topic that flights are replayed to: made once, with what a replay of old events needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from datamill_infra.model.errors import UnhealthyError
from datamill_pipelines.ingestion.errors import UnsafeTopicError
from datamill_pipelines.stream.kafka_client import kafka_python_settings

if TYPE_CHECKING:
    from datamill_infra.model.connections import ResolvedConnection

KEPT = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
"""Retention goes by the records' own timestamps, and these are of 2013: any limit deletes them at once."""


def ensure_topic(connection: ResolvedConnection, topic: str, partitions: int) -> int:
    """Create the topic if it does not exist.

    Args:
        connection: of the broker.
        topic: its name.
        partitions: how many a new one gets; an existing one keeps its own.

    Returns:
        How many it has.

    Raises:
        UnsafeTopicError: an existing topic would delete or compact what is written to it.
        UnhealthyError: the broker did not answer.
    """
    try:
        admin = KafkaAdminClient(**kafka_python_settings(connection), client_id="datamill-ingestion")
    except KafkaError as error:
        raise _silent(connection, topic, error) from None
    try:
        try:
            admin.create_topics([NewTopic(topic, partitions, -1, topic_configs=KEPT)], wait_for_metadata=True)
        except TopicAlreadyExistsError:
            _refuse_unsafe(admin, topic)
        return len(admin.describe_topics([topic])[0]["partitions"])
    except KafkaError as error:
        raise _silent(connection, topic, error) from None
    finally:
        admin.close()


def _refuse_unsafe(admin: KafkaAdminClient, topic: str) -> None:
    described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
    settings = described["topic"][topic]
    wrong = {name: settings[name]["value"] for name, kept in KEPT.items() if settings[name]["value"] != kept}
    if wrong:
        told = ", ".join(f"{name}={value}" for name, value in wrong.items())
        asked = ",".join(f"{name}={KEPT[name]}" for name in wrong)
        raise UnsafeTopicError(
            f"The topic {topic!r} has {told}: it would delete events of 2013, which are older than that, or all but the"
            " last of each key.",
            instruction=f"Set it: kafka-configs.sh --alter --topic {topic} --add-config {asked}. Or use another topic.",
        )


def _silent(connection: ResolvedConnection, topic: str, error: KafkaError) -> UnhealthyError:
    return UnhealthyError(
        f"The broker {connection.component} ({connection.text('bootstrap_servers')}) did not serve the topic {topic!r}:"
        f" {type(error).__name__}: {error}.",
        instruction="Run `datamill status` to see the broker's state, and `datamill up` to repair it.",
    )
