"""Messages of brokers without positions: what they have in common, whatever the protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_pipelines.stream.records import Origin, Records

if TYPE_CHECKING:
    from collections.abc import Sequence

MESSAGE_ID = "message-id"
"""Name of the MQTT 5 user property, and of the AMQP application property where the id itself is not set."""


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        value: its bytes.
        place: topic or address.
        message_id: its id, if the publisher gave one.
    """

    value: bytes | None
    place: str
    message_id: str | None


class MessageRecords(Records):
    """Messages in order of arrival."""

    def __init__(self, messages: Sequence[Message]) -> None:
        super().__init__(0, [message.value for message in messages])
        self._messages = messages

    def origin(self, index: int) -> Origin:
        """Topic or address, and id."""
        message = self._messages[index]
        return Origin(place=message.place, message_id=message.message_id)

    def message_id(self, index: int) -> str | None:
        """The id, if the publisher gave one."""
        return self._messages[index].message_id


class MessageSource(ABC):
    """A subscription or queue that redelivers what was not acknowledged."""

    @abstractmethod
    def open(self) -> None:
        """Connect, and begin to receive.

        Raises:
            UnhealthyError: the broker did not answer, or refused.
        """

    @abstractmethod
    def poll(self, seconds: float) -> list[MessageRecords]:
        """Take what has arrived, waiting up to ``seconds`` for the first.

        No more arrives than the source's limit until some are acknowledged: that is the back-pressure.

        Raises:
            UnhealthyError: the broker has been gone for longer than the budget.
        """

    @abstractmethod
    def acknowledge(self) -> None:
        """Acknowledge everything that was taken."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect. What was not acknowledged is delivered again to the next one."""
