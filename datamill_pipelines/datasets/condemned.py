"""What a collection of garbage is about to delete, as writers see it.

A collection first writes the list of the objects it condemns, as ``gc/<number>``, then appends a fence with that
number to the log of every branch, then looks once more what is reachable, and only then deletes. Every record after
the fence carries the number on. So whoever appends to a branch has either been seen by the collection, or knows its
list: and then it never refers to a condemned name, but keeps equal bytes under another one, with a salt. A collector
that was asleep for a week can delete nothing that matters.

A finished collection leaves its number with an empty list: what was written before it must be looked at again, since
it may be gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import orjson

from datamill_pipelines.datasets.framing import damaged, pack_record, unpack_record
from datamill_pipelines.datasets.logs import last_number

if TYPE_CHECKING:
    from datamill_pipelines.datasets.objects import ObjectStore

LONGEST_SLEEP = timedelta(days=7)
"""A collection that did not finish is feared to go on for this long."""


@dataclass(frozen=True)
class Collection:
    """One collection's record.

    Attributes:
        number: from 1.
        keys: condemned names.
        done: whether it has finished.
        began_at: on the store's clock.
    """

    number: int
    keys: frozenset[str]
    done: bool
    began_at: datetime


NONE = Collection(0, frozenset(), done=True, began_at=datetime.fromtimestamp(0, UTC))


class Collections:
    """The collections of a store.

    Args:
        objects: the store.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects
        self._read: dict[int, Collection] = {}

    def newest(self) -> int:
        """The number of the newest collection, 0 if there was none."""
        return max(last_number(lambda n: n > 0 and self.objects.size(_key(n)) is not None, self._guess()), 0)

    def get(self, number: int) -> Collection:
        """A collection; one that has not finished is read again each time, since it may have."""
        if number == 0:
            return NONE
        found = self._read.get(number)
        if found is None:
            found = self.read(number)
            if found.done:
                self._read[number] = found
        return found

    def unfinished(self, newest: int, now: datetime) -> list[Collection]:
        """Collections that may still be going on."""
        found = [self.get(number) for number in range(1, newest + 1)]
        return [each for each in found if not each.done and now - each.began_at < LONGEST_SLEEP]

    def begin(self, collection: Collection) -> bool:
        """Write a collection's list; ``False`` when another one took the number."""
        return self.objects.put_new(_key(collection.number), _encode(collection))

    def finish(self, collection: Collection) -> None:
        """Replace a collection's list by what is still to be feared."""
        self.objects.put(_key(collection.number), _encode(collection))

    def _guess(self) -> int:
        return max(self._read, default=1)

    def read(self, number: int) -> Collection:
        """A collection, as it is in the store now."""
        key = _key(number)
        content, body = unpack_record("gc", self.objects.get(key), key=key, where=self.objects.url)
        if content["number"] != number:
            raise damaged(key, self.objects.url, f"it is the list of collection {content['number']}")
        began_at = datetime.fromisoformat(content["began_at"])
        return Collection(content["number"], frozenset(orjson.loads(body)), content["done"], began_at)


def _key(number: int) -> str:
    return f"gc/{number:08d}"


def _encode(collection: Collection) -> bytes:
    content = {
        "number": collection.number,
        "done": collection.done,
        "began_at": collection.began_at.isoformat(),
    }
    return pack_record("gc", content, orjson.dumps(sorted(collection.keys)))
