"""Messages of an AMQP 1.0 queue, each accepted by us after the commit.

Credit is what bounds memory: the broker sends as many messages as it has credit for, and gets new credit when
messages are accepted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import proton
from proton.reactor import ReceiverOption, SenderOption
from proton.utils import BlockingConnection

from datamill_infra.capabilities.amqp import credentials
from datamill_infra.model.errors import UnhealthyError
from datamill_pipelines.stream.messages import MESSAGE_ID, Message, MessageRecords, MessageSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from proton.utils import BlockingReceiver

    from datamill_infra.model.connections import ResolvedConnection

ANSWER_SECONDS = 30.0
SOON_SECONDS = 0.01
QUEUE = proton.symbol("queue")


class FromQueue(ReceiverOption):  # type: ignore[misc]  # untyped
    """Ask for a queue: a broker that makes addresses on demand would else make a topic, which keeps nothing."""

    def apply(self, receiver: proton.Receiver) -> None:
        """Say so on the link."""
        receiver.source.capabilities.put_object(QUEUE)


class ToQueue(SenderOption):  # type: ignore[misc]  # untyped
    """The same for a sender."""

    def apply(self, sender: proton.Sender) -> None:
        """Say so on the link."""
        sender.target.capabilities.put_object(QUEUE)


def connect(connection: ResolvedConnection) -> BlockingConnection:
    """Open a connection.

    Raises:
        UnhealthyError: the broker did not answer, or refused.
    """
    url = f"amqp://{connection.text('host')}:{connection.text('port')}"
    try:
        return BlockingConnection(url, timeout=ANSWER_SECONDS, **credentials(connection))
    except proton.ProtonException as error:
        raise unhealthy(connection, f"did not open a connection: {error}") from None


def unhealthy(connection: ResolvedConnection, what: str) -> UnhealthyError:
    """The broker is not as it should be."""
    return UnhealthyError(
        f"The broker {connection.component} ({connection.text('host')}:{connection.text('port')}) {what}.",
        instruction="Run `datamill status` to see its state, and `datamill up` to repair it.",
    )


class AmqpSource(MessageSource):
    """A queue.

    Args:
        connection: of the broker.
        address: of the queue.
        most: messages in hand before some are accepted.
        patience: seconds that the broker may be gone.
        clock: seconds, monotonic.
        sleep: waits.
    """

    def __init__(
        self,
        connection: ResolvedConnection,
        address: str,
        *,
        most: int = 20_000,
        patience: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection, self._address, self._most = connection, address, most
        self._patience, self._clock, self._sleep = patience, clock, sleep
        self._blocking: BlockingConnection | None = None
        self._receiver: BlockingReceiver | None = None
        self._taken = 0

    def open(self) -> None:
        """Connect, and give the broker credit."""
        self._blocking = connect(self._connection)
        try:
            # Credit is given here and not by the library, which would renew it before anything is accepted.
            self._receiver = self._blocking.create_receiver(self._address, credit=0, options=FromQueue())
        except proton.ProtonException as error:
            raise unhealthy(self._connection, f"gave no access to {self._address!r}: {error}") from None
        self._receiver.link.flow(self._most)
        self._taken = 0

    def poll(self, seconds: float) -> list[MessageRecords]:
        """Take what has arrived."""
        messages: list[Message] = []
        try:
            receiver = self._current()
            while self._taken + len(messages) < self._most:
                # The library hands out one at a time; go on while they follow one another closely.
                messages.append(
                    _message(receiver.receive(timeout=SOON_SECONDS if messages else seconds), self._address)
                )
        except proton.Timeout:
            pass
        except proton.ProtonException as error:
            self._reopen(error)
            return []
        self._taken += len(messages)
        return [MessageRecords(messages)] if messages else []

    def acknowledge(self) -> None:
        """Accept everything that was taken."""
        accepted, self._taken = self._taken, 0
        try:
            receiver = self._current()
            for _ in range(accepted):
                receiver.accept()
            # What this queues goes out with the next poll, or with the end of the connection.
            receiver.link.flow(accepted)
        except proton.ProtonException as error:
            # The messages come again, and their ids say that they are known.
            self._reopen(error)

    def close(self) -> None:
        """Disconnect."""
        if self._blocking is not None:
            self._blocking.close()
            self._blocking = self._receiver = None

    def _current(self) -> BlockingReceiver:
        if self._receiver is None:
            raise unhealthy(self._connection, "was asked for messages before a connection was made")
        return self._receiver

    def _reopen(self, cause: Exception) -> None:
        """Connect again until the patience ends; unaccepted messages come again."""
        deadline = self._clock() + self._patience
        while True:
            try:
                self.open()
            except UnhealthyError as error:
                if self._clock() > deadline:
                    raise unhealthy(
                        self._connection,
                        f"has been gone for {self._patience:.0f} s since: {cause}. Then it {error.reason}",
                    ) from None
                self._sleep(1.0)
            else:
                return


def _message(message: proton.Message, address: str) -> Message:
    properties = message.properties or {}
    message_id = message.id if message.id is not None else properties.get(MESSAGE_ID)
    body = message.body
    if isinstance(body, str):
        body = body.encode()
    value = (
        None
        if body is None
        else bytes(body)
        if isinstance(body, (bytes, bytearray, memoryview))
        else str(body).encode()
    )
    return Message(value, message.address or address, None if message_id is None else str(message_id))
