"""Messages of MQTT 5 topics, QoS 1, each acknowledged by us and not by the library.

The session is persistent: the broker keeps what is published while nobody is connected. *Receive maximum* bounds what
it sends before acknowledgements, so a slow store slows the broker down and not this process's memory up.
"""

from __future__ import annotations

import collections
import threading
import time
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
from filelock import Timeout
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from datamill_infra.model.errors import LockedError, UnhealthyError
from datamill_pipelines.stream.messages import MESSAGE_ID, Message, MessageRecords, MessageSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from filelock import BaseFileLock
    from paho.mqtt.reasoncodes import ReasonCode

    from datamill_infra.model.connections import ResolvedConnection

AT_LEAST_ONCE = 1
FOREVER = 0xFFFF_FFFF
"""Session expiry that never comes, in the protocol's own words."""

CONNECT_SECONDS = 30.0
OWNER_SECONDS = 120.0
"""How long a bounded run waits for another one to end."""

TAKEN_OVER = 0x8E
"""Why a broker disconnects a client whose session another one uses now."""

LOOK_SECONDS = 0.05
TICK_SECONDS = 0.5


def client_for(connection: ResolvedConnection, client_id: str, *, manual_ack: bool = False) -> paho.Client:
    """An MQTT 5 client that knows who it is and not yet where to connect."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv5, manual_ack=manual_ack)
    if connection.get("username"):
        client.username_pw_set(connection.text("username"), str(connection.get("password", "")))
    client.reconnect_delay_set(min_delay=1, max_delay=5)
    return client


class MqttSource(MessageSource):
    """A persistent session.

    Args:
        connection: of the broker.
        client_id: names the session; one sink at a time uses it.
        topics: topic filters, e.g. ``["weather/+"]``.
        most: messages in hand before some are acknowledged; at most 65,535.
        patience: seconds that the broker may be gone.
        owner: lock of the session on this machine; whoever has it uses the session.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        connection: ResolvedConnection,
        client_id: str,
        topics: Sequence[str],
        *,
        most: int = 20_000,
        patience: float = 60.0,
        owner: BaseFileLock | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection, self._client_id, self._topics = connection, client_id, list(topics)
        self._most, self._patience, self._clock, self._owner = most, patience, clock, owner
        self._where = f"{connection.component} ({connection.text('host')}:{connection.text('port')})"
        self._lock = threading.Lock()
        self._arrived: collections.deque[paho.MQTTMessage] = collections.deque()
        self._taken: list[int] = []
        self._ready = threading.Event()
        self._refused: str | None = None
        self._gone_since: float | None = None
        self._client: paho.Client | None = None

    def open(self) -> None:
        """Connect to the session, making it if it does not exist, and subscribe."""
        self._own()
        client = client_for(self._connection, self._client_id, manual_ack=True)
        client.on_connect, client.on_subscribe = self._on_connect, self._on_subscribe
        client.on_disconnect, client.on_message = self._on_disconnect, self._on_message
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = FOREVER
        properties.ReceiveMaximum = self._most
        self._client = client
        try:
            client.connect(
                self._connection.text("host"), int(self._connection["port"]), clean_start=False, properties=properties
            )
        except OSError as error:
            self.close()
            raise self._unhealthy(f"cannot be reached ({error.strerror or error})") from None
        client.loop_start()
        waited = self._ready.wait(CONNECT_SECONDS)
        if self._refused or not waited:
            refused, self._refused = self._refused, None
            self.close()
            raise self._unhealthy(refused or f"did not answer within {CONNECT_SECONDS:.0f} s")

    def poll(self, seconds: float) -> list[MessageRecords]:
        """Take what has arrived."""
        deadline = self._clock() + seconds
        while not self._arrived and self._clock() < deadline:
            time.sleep(LOOK_SECONDS)
        if self._refused:
            raise self._unhealthy(self._refused)
        if self._gone_since is not None and self._clock() - self._gone_since > self._patience:
            raise self._unhealthy(f"has been gone for more than {self._patience:.0f} s")
        with self._lock:
            messages = list(self._arrived)
            self._arrived.clear()
            self._taken += [message.mid for message in messages]
        return [MessageRecords([_message(each) for each in messages])] if messages else []

    def acknowledge(self) -> None:
        """Acknowledge everything that was taken since the connection was made."""
        # Packet ids belong to a connection. Under the lock no connection can end and another begin meanwhile, where
        # the same id would be another message's; what paho has queued for the old one it drops with it.
        with self._lock:
            taken, self._taken = self._taken, []
            for mid in taken:
                if self._client is not None:
                    self._client.ack(mid, AT_LEAST_ONCE)

    def close(self) -> None:
        """Disconnect; the session stays."""
        if self._client is not None:
            # Whatever acknowledgements are queued go out first: disconnect queues behind them.
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None
        if self._owner is not None:
            self._owner.release()

    def _own(self) -> None:
        if self._owner is None:
            return
        try:
            self._owner.acquire(timeout=OWNER_SECONDS)
        except Timeout:
            raise LockedError(
                f"Another sink has used the MQTT session {self._client_id!r} for {OWNER_SECONDS:.0f} s"
                f" (lock {self._owner.lock_file}).",
                instruction="Wait for it, or stop it if it follows for ever; it lands the same messages.",
            ) from None

    def _on_connect(self, client: paho.Client, _data: object, _flags: object, code: ReasonCode, _: object) -> None:
        if code.is_failure:
            self._refused = f"refused the session: {code}"
            self._ready.set()
            return
        self._gone_since = None
        client.subscribe([(topic, AT_LEAST_ONCE) for topic in self._topics])

    def _on_subscribe(self, _client: paho.Client, _data: object, _mid: int, codes: list[ReasonCode], _: object) -> None:
        failed = [str(code) for code in codes if code.is_failure]
        if failed:
            self._refused = f"refused the subscription to {', '.join(self._topics)}: {', '.join(failed)}"
        self._ready.set()

    def _on_disconnect(
        self, client: paho.Client, _data: object, _flags: object, code: ReasonCode, _properties: object
    ) -> None:
        if code.value == TAKEN_OVER:
            # Connecting again would throw the other one out, and so on without end.
            self._refused = f"gave the session {self._client_id!r} to another client of this name"
            client.disconnect()
        with self._lock:
            # What was not acknowledged comes again, under other packet ids.
            self._arrived.clear()
            self._taken.clear()
            self._gone_since = self._clock()

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        with self._lock:
            self._arrived.append(message)

    def _unhealthy(self, what: str) -> UnhealthyError:
        return UnhealthyError(
            f"The broker {self._where} {what}.",
            instruction="Run `datamill status` to see its state, and `datamill up` to repair it.",
        )


def ensure_session(
    connection: ResolvedConnection, client_id: str, topics: Sequence[str], owner: BaseFileLock | None = None
) -> None:
    """Make the session and its subscription, so that the broker keeps what is published from now on.

    A session that is in use exists, and is left alone.

    Raises:
        UnhealthyError: the broker did not answer, or refused.
    """
    if owner is not None:
        try:
            owner.acquire(blocking=False)
        except Timeout:
            return
    try:
        source = MqttSource(connection, client_id, topics, most=1)
        source.open()
        source.close()
    finally:
        if owner is not None:
            owner.release()


def _message(message: paho.MQTTMessage) -> Message:
    properties = dict(getattr(message.properties, "UserProperty", ()))
    return Message(bytes(message.payload), message.topic, properties.get(MESSAGE_ID))
