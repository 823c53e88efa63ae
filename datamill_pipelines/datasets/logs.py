"""The append-only log behind a branch or a tag: zero-padded records, each created only if it is not there yet.

The end is found from a hint, which may be wrong, and probes at doubling distances: never by listing. There are no gaps,
because a record is created only after the one before it was seen. A deleted name that is used again is another
*incarnation* with a log of its own; nobody can append to the old one, whose last record says ``delete``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from datamill_pipelines.datasets.errors import MissingObjectError
from datamill_pipelines.datasets.framing import new_nonce
from datamill_pipelines.datasets.records import Record, decode_record, encode_record, read_record, record_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datamill_pipelines.datasets.objects import Body, ObjectStore

_HINT_EVERY = 8
"""A hint this many records old costs a reader three probes, and saves the writers seven writes of eight."""


@dataclass(frozen=True)
class Tail:
    """The last record of a log.

    Attributes:
        incarnation: which log of the name, from 1.
        number: the record's, from 0.
        record: the record.
    """

    incarnation: int
    number: int
    record: Record

    @property
    def gc(self) -> int:
        """The newest collection of garbage that the log knows of."""
        return int(self.record.content["gc"])

    @property
    def is_open(self) -> bool:
        """Whether the name exists (was not deleted)."""
        return self.record.kind != "delete"


class RefLog:
    """The log of one name.

    Args:
        objects: where it is kept.
        folder: the folder of all its incarnations.
    """

    def __init__(self, objects: ObjectStore, folder: str) -> None:
        self.objects, self.folder = objects, folder
        self._seen: Tail | None = None

    def tail(self) -> Tail | None:
        """The last record of the last incarnation; ``None`` when the name was never used."""
        if self._seen is not None:
            incarnation, number = self._seen.incarnation, self._seen.number
        else:
            incarnation, number = self._hint()
        if self._seen is None or not self._seen.is_open:
            last = last_number(lambda n: self._exists(n, 0), incarnation)
            if last < 1:
                return None
            incarnation, number = last, (number if last == incarnation else 0)
        number = last_number(lambda n: self._exists(incarnation, n), number)
        seen = self._seen
        if seen is None or (seen.incarnation, seen.number) != (incarnation, number):
            key = record_key(self.folder, incarnation, number)
            seen = Tail(incarnation, number, read_record(self.objects, key))
            was_open = self._seen is not None and self._seen.is_open
            self._seen = seen
            if not seen.is_open and was_open:
                return self.tail()
        return seen

    def next_key(self, tail: Tail | None) -> str:
        """Where the record after ``tail`` goes; after a deleted one, into a new incarnation."""
        if tail is None:
            return record_key(self.folder, 1, 0)
        if not tail.is_open:
            return record_key(self.folder, tail.incarnation + 1, 0)
        return record_key(self.folder, tail.incarnation, tail.number + 1)

    def append(
        self,
        tail: Tail | None,
        kind: str,
        content: dict[str, Any],
        body: bytes = b"",
        objects: Sequence[tuple[str, Body]] = (),
    ) -> Record | None:
        """Append after ``tail``, once ``objects`` are durable.

        Returns:
            The record; ``None`` when another writer was first (``objects`` are durable all the same).
        """
        key, nonce = self.next_key(tail), new_nonce()
        known = tail.gc if tail is not None and tail.is_open else 0
        content = {"created_at": datetime.now(UTC).isoformat(), "gc": known} | content
        data = encode_record(key, kind, nonce, content, body)
        if not self.objects.publish(objects, key, data):
            return None
        record = decode_record(data, key, self.objects.url)
        incarnation, number = _position(key)
        self._seen = Tail(incarnation, number, record)
        if number % _HINT_EVERY == 0:
            self.objects.put_volatile(f"{self.folder}/hint", b"%d %d" % (incarnation, number))
        return record

    def keys(self, incarnation: int, last: int) -> list[str]:
        """The keys of one incarnation's records, first to last."""
        return [record_key(self.folder, incarnation, number) for number in range(last + 1)]

    def _hint(self) -> tuple[int, int]:
        try:
            first, second = self.objects.get(f"{self.folder}/hint").split()
            return max(int(first), 1), max(int(second), 0)
        except (MissingObjectError, ValueError):
            return 1, 0

    def _exists(self, incarnation: int, number: int) -> bool:
        return self.objects.size(record_key(self.folder, incarnation, number)) is not None


def last_number(exists: Callable[[int], bool], guess: int) -> int:
    """The last of the numbers that exist (-1 if none does), from a guess that may be wrong. There are no gaps."""
    step = 1
    if guess >= 0 and exists(guess):
        low = guess
        while exists(low + step):
            low += step
            step *= 2
        high = low + step
    else:
        high = guess
        low = guess - step
        while low >= 0 and not exists(low):
            high = low
            step *= 2
            low -= step
        low = max(low, -1)
    while high - low > 1:
        middle = (low + high) // 2
        if exists(middle):
            low = middle
        else:
            high = middle
    return low


def _position(key: str) -> tuple[int, int]:
    incarnation, number = key.rsplit("/", 2)[1:]
    return int(incarnation), int(number)
