"""``mqtt``: a broker that speaks MQTT 3.1.1.

Fields: ``host``, ``port``, ``username``; secret ``password``. The probe publishes to and receives from one topic of
its own, ``datamill/probe``: a fixed name, so that brokers which keep an address per topic do not collect them.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from datamill_infra.capabilities.attempt import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from datamill_infra.capabilities.attempt import Observation
    from datamill_infra.model.connections import ResolvedConnection

TOPIC = "datamill/probe"
AT_LEAST_ONCE = 1
# How long one look at the socket may last; only bounds how late the budget is noticed.
LOOK_SECONDS = 0.1


def probe(connection: ResolvedConnection, *, timeout: float) -> Observation:
    """Connect, subscribe, publish with QoS 1, and receive it.

    Raises:
        UnhealthyError: one of these did not happen.
    """
    host, port = connection.text("host"), int(connection["port"])
    attempt = Attempt(connection, f"{host}:{port}", timeout)
    attempt.reach(host, port)
    session = _Session(connection, attempt)
    try:
        session.open(host, port)
        session.round_trip()
    finally:
        session.close()
    return attempt.observed("a message with QoS 1 came back", topic=TOPIC)


def environment(connection: ResolvedConnection) -> dict[str, str]:
    """There is no convention; each part under a speaking name."""
    return {
        "MQTT_HOST": connection.text("host"),
        "MQTT_PORT": connection.text("port"),
        "MQTT_USERNAME": str(connection.get("username", "")),
        "MQTT_PASSWORD": str(connection.get("password", "")),
    }


class _Session:
    """One connection, driven from the calling thread: what paho starts in the background outlives a failure."""

    def __init__(self, connection: ResolvedConnection, attempt: Attempt) -> None:
        self._attempt = attempt
        self._payload = secrets.token_bytes(16)
        self._accepted: ReasonCode | None = None
        self._subscribed: ReasonCode | None = None
        self._acknowledged = self._received = False
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"datamill-probe-{secrets.token_hex(6)}")
        if connection.get("username"):
            client.username_pw_set(connection.text("username"), str(connection.get("password", "")))
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        self._client = client

    def open(self, host: str, port: int) -> None:
        """Connect and log in."""
        self._client.connect_timeout = self._attempt.left("connecting")
        try:
            self._client.connect(host, port)
        except OSError as error:
            raise self._attempt.failed(f"it cannot be reached ({error.strerror or error})") from None
        self._until(lambda: self._accepted is not None, "logging in")
        if self._accepted is not None and self._accepted.is_failure:
            raise self._attempt.refused(str(self._accepted))

    def round_trip(self) -> None:
        """Send one message to ourselves."""
        self._client.subscribe(TOPIC, AT_LEAST_ONCE)
        self._until(lambda: self._subscribed is not None, f"subscribing to {TOPIC}")
        if self._subscribed is not None and self._subscribed.is_failure:
            raise self._attempt.failed(f"it refused the subscription ({self._subscribed})")
        self._client.publish(TOPIC, self._payload, AT_LEAST_ONCE)
        self._until(lambda: self._acknowledged, f"waiting for the acknowledgement of a message to {TOPIC}")
        self._until(lambda: self._received, f"waiting for a message from {TOPIC}")

    def close(self) -> None:
        """Say goodbye; a broker keeps nothing of a clean session."""
        self._client.disconnect()
        self._client.loop(LOOK_SECONDS)

    def _until(self, happened: Callable[[], bool], doing: str) -> None:
        while not happened():
            remaining = self._attempt.left(doing)
            outcome = self._client.loop(min(remaining, LOOK_SECONDS))
            if outcome != MQTTErrorCode.MQTT_ERR_SUCCESS and not happened():
                raise self._attempt.failed(f"it closed the connection ({paho.error_string(outcome)})")

    def _on_connect(self, _client: paho.Client, _data: object, _flags: object, code: ReasonCode, _: object) -> None:
        self._accepted = code

    def _on_subscribe(
        self, _client: paho.Client, _data: object, _mid: int, codes: list[ReasonCode], _: Properties | None
    ) -> None:
        self._subscribed = codes[0]

    def _on_publish(self, *_: object) -> None:
        self._acknowledged = True

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        # Other probes use the topic at the same time.
        self._received = self._received or message.payload == self._payload
