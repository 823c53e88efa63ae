"""What sources deliver: records with a place each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Origin:
    """Where one record came from: written beside a bad message, so that it can be found again.

    Attributes:
        place: topic, and for Kafka ``topic/partition``.
        offset: the broker's offset, if it has offsets.
        message_id: the message's id, if it has one.
        timestamp: the record's own time in milliseconds since 1970, if it has one.
        key: bytes of the key, if it has one.
    """

    place: str
    offset: int | None = None
    message_id: str | None = None
    timestamp: int | None = None
    key: bytes | None = None


OVERHEAD = 320
"""Bytes of memory per message besides its value: the client's message, Python's bytes, and their places in lists."""


class Records:
    """Records of one partition (or of a broker without partitions) in the order of arrival.

    Subclasses keep what the client library gave and look at single records only when asked.

    Attributes:
        partition: its number.
        values: bytes of the messages; ``None`` where there was no value.
        nbytes: memory that they take, with what Python and the client library need for each.
    """

    def __init__(self, partition: int, values: Sequence[bytes | None]) -> None:
        self.partition = partition
        self.values = values
        self.nbytes = sum(map(len, filter(None, values))) + OVERHEAD * len(values)

    def __len__(self) -> int:
        """How many."""
        return len(self.values)

    def origin(self, index: int) -> Origin:
        """Where the record at ``index`` came from."""
        raise NotImplementedError

    def message_id(self, index: int) -> str | None:
        """The id of the record at ``index``; positions make ids unnecessary."""
        return self.origin(index).message_id


DEAD_LETTERS = "_dead_letters"
"""The reserved folder for bad messages."""

_DEAD_LETTER_TYPES: dict[str, pa.DataType] = {
    "place": pa.string(),
    "record": pa.int64(),
    "offset": pa.int64(),
    "message_id": pa.string(),
    "timestamp": pa.timestamp("ms", tz="UTC"),
    "key": pa.binary(),
    "value": pa.binary(),
    "reason": pa.string(),
}

DEAD_LETTER_SCHEMA: pa.Schema = pa.schema(list(_DEAD_LETTER_TYPES.items()))
"""``record`` is the number within the partition, ``offset`` the broker's; ``value`` is null when there was none."""


@dataclass(frozen=True)
class DeadLetter:
    """One bad message.

    Attributes:
        origin: where it came from.
        record: its number within the partition; ``None`` where messages have no order.
        value: its bytes.
        reason: why it could not be landed.
    """

    origin: Origin
    record: int | None
    value: bytes | None
    reason: str


def dead_letter_table(letters: Sequence[DeadLetter]) -> pa.Table:
    """Bad messages as a table."""
    rows = [
        {
            "place": letter.origin.place,
            "record": letter.record,
            "offset": letter.origin.offset,
            "message_id": letter.origin.message_id,
            "timestamp": letter.origin.timestamp,
            "key": letter.origin.key,
            "value": letter.value,
            "reason": letter.reason,
        }
        for letter in letters
    ]
    return pa.Table.from_pylist(rows, schema=DEAD_LETTER_SCHEMA)
