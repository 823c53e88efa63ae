"""Messages with ids through MQTT and AMQP: sent, landed, and landed by children that die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

import proton
from faults.topics import SCHEMA
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.datasets import open_store
from datamill_pipelines.datasets.errors import NotFoundError
from datamill_pipelines.stream.amqp_source import AmqpSource, ToQueue, connect
from datamill_pipelines.stream.feeds import MessageFeed
from datamill_pipelines.stream.identified import IdentifiedLanding
from datamill_pipelines.stream.messages import MESSAGE_ID, MessageRecords, MessageSource
from datamill_pipelines.stream.mqtt_source import MqttSource, client_for, ensure_session
from datamill_pipelines.stream.schema import Column, MessageSchema
from datamill_pipelines.stream.sink import Landed, Limits, Sink, Target

REPO = "raw/m"
TIMED = MessageSchema((*SCHEMA.declared, Column("at", "timestamp[us, tz=UTC]", required=True)))


class Mailbox:
    """A queue, or a session that keeps what is published, and the ids of all that was sent to it.

    Args:
        broker: the broker; its capability is the protocol.
        name: of the queue, or of session and topic.
    """

    def __init__(self, broker: ResolvedConnection, name: str) -> None:
        self.broker, self.name = broker, name
        self.sent: list[str] = []
        if broker.capability == "mqtt":
            ensure_session(broker, name, [f"{name}/+"])

    def send(self, count: int) -> None:
        """Send so many new messages; returns when the broker has them."""
        new = [f"{self.name}-{number}" for number in range(len(self.sent), len(self.sent) + count)]
        (self._publish if self.broker.capability == "mqtt" else self._enqueue)(new)
        self.sent += new

    def source(self) -> MessageSource:
        """As the product reads it."""
        if self.broker.capability == "mqtt":
            return MqttSource(self.broker, self.name, [f"{self.name}/+"], most=150)
        return AmqpSource(self.broker, self.name, most=150)

    def _publish(self, ids: Sequence[str]) -> None:
        client = client_for(self.broker, "")
        client.connect(self.broker.text("host"), int(self.broker["port"]))
        client.loop_start()
        for name in ids:
            properties = Properties(PacketTypes.PUBLISH)
            properties.UserProperty = [(MESSAGE_ID, name)]
            sent = client.publish(f"{self.name}/a", _body(name), 1, properties=properties)
        sent.wait_for_publish(60)
        client.disconnect()
        client.loop_stop()

    def _enqueue(self, ids: Sequence[str]) -> None:
        connection = connect(self.broker)
        sender = connection.create_sender(self.name, options=ToQueue())
        sent = []
        for name in ids:
            connection.wait(lambda: sender.link.credit > 0, timeout=60)
            sent.append(sender.link.send(proton.Message(id=name, body=_body(name), inferred=True, durable=True)))
        connection.wait(lambda: all(delivery.settled for delivery in sent), timeout=60)
        connection.close()


def _body(name: str) -> bytes:
    number = int(name.rpartition("-")[2])
    return b'{"n":%d,"s":"x","at":"2013-%02d-01T00:00:00Z"}' % (number, 1 + number % 3)


def make_sink(source: MessageSource, url: str, *, expected: int = 0, **settings: object) -> Sink:
    """The product's sink."""
    landing = IdentifiedLanding(TIMED, event_time="at", window="month", dataset=f"{REPO}@main")
    feed = MessageFeed(source, "bench", idle_seconds=0.7, expected=expected)
    return Sink(feed, landing, Target(open_store(url), REPO), limits=Limits(interval=0.1), **settings)  # type: ignore[arg-type]


def land_messages(mailbox: Mailbox, url: str, *, expected: int = 0) -> Landed:
    """Land what there is, undisturbed."""
    return make_sink(mailbox.source(), url, expected=expected).run()


def landing_ids(url: str) -> list[str]:
    """The ids of all rows that are landed."""
    try:
        view = open_store(url).commit_view(f"{REPO}@main")
    except NotFoundError:
        return []
    return [str(name) for name in view.table()["message_id"].to_pylist()]


class Hasty(MessageSource):
    """Negative control: acknowledges what it takes at once."""

    def __init__(self, inner: MessageSource) -> None:
        self._inner = inner

    def open(self) -> None:
        self._inner.open()

    def poll(self, seconds: float) -> list[MessageRecords]:
        taken = self._inner.poll(seconds)
        if taken:
            self._inner.acknowledge()
            self._inner.poll(1.0)  # what is queued goes out
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGKILL)
        return taken

    def acknowledge(self) -> None:
        pass

    def close(self) -> None:
        self._inner.close()


def land_and_die(
    protocol: str, connection: dict[str, object], name: str, url: str, after: int, broken: str = ""
) -> None:
    """Child: land, and die by SIGKILL after so many commits, each time before the acknowledgement of the last."""
    broker = ResolvedConnection(protocol, "broker", connection, frozenset())
    source: MessageSource = (
        MqttSource(broker, name, [f"{name}/+"], most=150) if protocol == "mqtt" else AmqpSource(broker, name, most=150)
    )
    commits = [0]

    def die(*_: object) -> None:
        commits[0] += 1
        if commits[0] == after:
            os.kill(os.getpid(), signal.SIGKILL)

    make_sink(Hasty(source) if broken else source, url, on_commit=die).run()
