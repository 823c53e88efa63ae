"""Kafka behind a forwarded port: the brokers' own address means nothing here."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from datamill_infra.capabilities import kafka
from datamill_infra.model.connections import ResolvedConnection


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


class Client:
    """As librdkafka: who asked once, and had no answer in time, asks at the brokers' own address from then on."""

    made = 0
    answers_after = 0.8

    def __init__(self, options: dict[str, Any]) -> None:
        Client.made += 1
        self._tell: Callable[[KafkaError], None] = options["error_cb"]
        self._elsewhere = False

    def list_topics(self, timeout: float) -> object:
        if not self._elsewhere and timeout > self.answers_after:
            return SimpleNamespace(brokers={1: None}, controller_id=1, cluster_id="far", topics={})
        self._elsewhere = True
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def poll(self, _: float) -> None:
        if self._elsewhere:
            self._tell(KafkaError(KafkaError._RESOLVE, "Failed to resolve 'kafka.mill.svc:9092'"))


def test_an_answer_that_came_late_is_asked_for_again_at_the_forwarded_port(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "AdminClient", Client)
    connection = ResolvedConnection("kafka", "kafka", {"bootstrap_servers": f"127.0.0.1:{port}"})
    assert "1 broker, cluster far" == kafka.probe(connection, timeout=5).summary
    assert 2 == Client.made
