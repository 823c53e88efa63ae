"""The embedded message broker, by MQTT and by AMQP."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace

import paho.mqtt.client as paho
import proton
import pytest
from embedded.room import Platform
from paho.mqtt.enums import CallbackAPIVersion
from proton.utils import BlockingConnection, BlockingReceiver

from datamill_infra import capabilities
from datamill_infra.capabilities import amqp
from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.errors import UnhealthyError

pytestmark = pytest.mark.timeout(600)

BINARY = [bytes([number, 0, 255, 10, 13]) for number in range(20)]


class Subscriber:
    """A consumer with a session that the broker keeps, and that acknowledges only what it is told to."""

    def __init__(self, connection: ResolvedConnection, name: str, topic: str) -> None:
        self.received: list[bytes] = []
        self._acknowledge = 0
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=name, clean_session=False, manual_ack=True
        )
        client.username_pw_set(connection.text("username"), connection.text("password"))
        client.on_message = self._on_message
        client.on_connect = lambda *_: client.subscribe(topic, 1)
        self.subscribed = False
        client.on_subscribe = self._on_subscribe
        client.connect(connection.text("host"), int(connection["port"]))

    def _on_subscribe(self, *_: object) -> None:
        self.subscribed = True

    def _on_message(self, client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        self.received.append(message.payload)
        if self._acknowledge:
            self._acknowledge -= 1
            client.ack(message.mid, message.qos)

    def until(self, happened: Callable[[], bool], *, acknowledge: int = 0) -> None:
        self._acknowledge = acknowledge
        deadline = time.monotonic() + 60
        while not happened():
            assert time.monotonic() < deadline, self.received
            self._client.loop(0.1)

    def vanish(self) -> None:
        """As a killed process does: without a goodbye."""
        socket = self._client.socket()
        assert socket is not None
        socket.close()


def publish(connection: ResolvedConnection, topic: str, payloads: list[bytes]) -> None:
    """Returns when the broker has acknowledged all of them."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(connection.text("username"), connection.text("password"))
    client.connect(connection.text("host"), int(connection["port"]))
    client.loop_start()
    for info in [client.publish(topic, payload, 1) for payload in payloads]:
        info.wait_for_publish(60)
    client.disconnect()
    client.loop_stop()


def test_what_is_not_acknowledged_survives_kills_of_consumer_and_broker(platform: Platform) -> None:
    connection, topic = platform.connection("mqtt"), f"kills/{secrets.token_hex(4)}"
    first = Subscriber(connection, f"of-{topic}", topic)
    first.until(lambda: first.subscribed)
    publish(connection, topic, BINARY[:10])
    first.until(lambda: len(first.received) == 10, acknowledge=3)
    first.vanish()
    publish(connection, topic, BINARY[10:])  # while nobody listens
    platform.kill("artemis")
    platform.wait_healthy("artemis")
    second = Subscriber(connection, f"of-{topic}", topic)
    second.until(lambda: set(BINARY[3:]) <= set(second.received))
    assert set(second.received) <= set(BINARY)


def test_a_message_is_kept_however_often_its_consumer_dies(platform: Platform) -> None:
    connection, topic = platform.connection("mqtt"), f"deaths/{secrets.token_hex(4)}"
    subscriber = Subscriber(connection, f"of-{topic}", topic)
    subscriber.until(lambda: subscriber.subscribed)
    publish(connection, topic, [b"patient"])
    for _ in range(12):  # the broker's own default gives up at the tenth delivery
        subscriber.until(lambda: b"patient" in subscriber.received)  # noqa: B023  (used before the next turn)
        subscriber.vanish()
        subscriber = Subscriber(connection, f"of-{topic}", topic)
    subscriber.until(lambda: b"patient" in subscriber.received, acknowledge=1)


def open_amqp(connection: ResolvedConnection) -> BlockingConnection:
    url = f"amqp://{connection['host']}:{connection['port']}"
    return BlockingConnection(url, timeout=30, **amqp.credentials(connection))


def body(receiver: BlockingReceiver) -> bytes:
    """Of the next message. Its body is a view into the message, which must live until it is copied."""
    message = receiver.receive(timeout=30)
    return bytes(message.body)


def test_amqp_messages_nobody_waited_for_survive_a_kill_of_the_broker_byte_for_byte(
    platform: Platform,
) -> None:
    connection, address = platform.connection("amqp"), f"kills.{secrets.token_hex(4)}"
    sending = open_amqp(connection)
    sender = sending.create_sender(address)
    for content in BINARY:
        sender.send(proton.Message(body=content, durable=True))
    receiver = sending.create_receiver(address, credit=len(BINARY))
    assert body(receiver) == BINARY[0]  # and it is not accepted
    platform.kill("artemis")
    platform.wait_healthy("artemis")
    receiving = open_amqp(connection)
    receiver = receiving.create_receiver(address, credit=len(BINARY))
    bodies = []
    for _ in BINARY:
        bodies.append(body(receiver))
        receiver.accept()
    receiving.close()
    assert sorted(bodies) == sorted(BINARY)


@pytest.mark.parametrize("capability", ["mqtt", "amqp"])
@pytest.mark.parametrize("change", [{"password": "wrong-password"}, {"username": "nobody"}, {"username": ""}])
def test_whoever_has_not_the_password_is_refused(platform: Platform, capability: str, change: dict[str, str]) -> None:
    connection = platform.connection(capability)
    with pytest.raises(UnhealthyError) as caught:
        capabilities.load(capability).probe(replace(connection, values={**connection.values, **change}), timeout=30)
    assert "refused" in caught.value.reason
    assert connection.text("password") not in str(caught.value)
