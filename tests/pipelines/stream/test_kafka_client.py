"""What a broker answers for a moment after it was started is asked again, not reported."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.errors import UnhealthyError
from datamill_pipelines.stream import kafka_client
from datamill_pipelines.stream.kafka_client import TopicFacts, describe_topic

CONNECTION = ResolvedConnection("kafka", "kafka", {"bootstrap_servers": "127.0.0.1:1"}, frozenset())
FACTS = TopicFacts("c", "t", "i", {0: 0}, {0: 1})


def answer(monkeypatch: pytest.MonkeyPatch, *codes: int) -> None:
    left = [KafkaException(KafkaError(code)) for code in codes]

    def describe(*_: object) -> TopicFacts:
        if left:
            raise left.pop(0)
        return FACTS

    monkeypatch.setattr(kafka_client, "AdminClient", lambda *_, **__: None)
    monkeypatch.setattr(kafka_client, "_describe", describe)
    monkeypatch.setattr(kafka_client, "RETRY_SECONDS", 0.0)


def test_an_election_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(
        monkeypatch, KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.FENCED_LEADER_EPOCH, KafkaError.LEADER_NOT_AVAILABLE
    )

    assert FACTS == describe_topic(CONNECTION, "t")


def test_but_not_longer_than_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, *[KafkaError.UNKNOWN_LEADER_EPOCH] * 50_000)

    with pytest.raises(UnhealthyError, match="within 0 s when asked about the topic 't'"):
        describe_topic(CONNECTION, "t", timeout=0.05)


def test_a_refusal_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, KafkaError.TOPIC_AUTHORIZATION_FAILED)

    with pytest.raises(UnhealthyError, match="Topic authorization failed"):
        describe_topic(CONNECTION, "t")
