"""Kafka behind a forwarded port: the brokers' own address means nothing here."""

from __future__ import annotations

import socket
import time
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
    """As librdkafka: the first has heard the brokers' own address before it asks, and asks there."""

    made = 0

    def __init__(self, options: dict[str, Any]) -> None:
        Client.made += 1
        self._tell: Callable[[KafkaError], None] = options["error_cb"]
        self._elsewhere = Client.made == 1

    def list_topics(self, timeout: float) -> object:
        if not self._elsewhere:
            return SimpleNamespace(brokers={1: None}, controller_id=1, cluster_id="far", topics={})
        time.sleep(timeout)
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def poll(self, _: float) -> None:
        if self._elsewhere:
            self._tell(KafkaError(KafkaError._RESOLVE, "Failed to resolve 'kafka.mill.svc:9092'"))


def test_another_client_asks_at_the_forwarded_port_when_one_asks_at_the_brokers_own_address(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "AdminClient", Client)
    connection = ResolvedConnection("kafka", "kafka", {"bootstrap_servers": f"127.0.0.1:{port}"})
    seen = kafka.probe(connection, timeout=5)
    assert ("1 broker, cluster far", 2) == (seen.summary, Client.made)
    assert seen.seconds < 5
