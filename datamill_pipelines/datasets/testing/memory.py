"""Objects in memory, with a clock that can be moved."""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_pipelines.datasets.errors import DamagedObjectError, MissingObjectError
from datamill_pipelines.datasets.objects import ObjectInfo, ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from datamill_pipelines.datasets.objects import Body

_numbers = itertools.count()


class MemoryStore(ObjectStore):
    """A dictionary.

    Attributes:
        contents: bytes and time of writing, by key; tests may damage them.
        skew: added to the clock, to make objects old.
    """

    def __init__(self) -> None:
        self.url = f"memory://{next(_numbers)}"
        self.contents: dict[str, tuple[bytes, datetime]] = {}
        self.skew = timedelta()
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes:
        """The whole object."""
        try:
            return self.contents[key][0]
        except KeyError:
            raise MissingObjectError(
                f"{self.url} has no object {key}.", instruction="It is only a test.", key=key
            ) from None

    def get_many(self, keys: Sequence[str]) -> list[bytes]:
        """Several objects; threads would only cost."""
        return [self.get(key) for key in keys]

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """A part of the object."""
        data = self.get(key)[start : start + length]
        if len(data) != length:
            raise DamagedObjectError(f"{key} in {self.url} is too short.", instruction="It is only a test.", key=key)
        return data

    def size(self, key: str) -> int | None:
        """Bytes of the object."""
        found = self.contents.get(key)
        return None if found is None else len(found[0])

    def put(self, key: str, body: Body) -> None:
        """Create or replace."""
        data = body.read_bytes() if isinstance(body, Path) else body
        with self._lock:
            self.contents[key] = (data, self.clock())

    def put_new(self, key: str, data: bytes) -> bool:
        """Create unless present."""
        with self._lock:
            return self.contents.setdefault(key, (data, self.clock()))[0] is data

    def put_many(self, objects: Sequence[tuple[str, Body]]) -> None:
        """Create or replace several; threads would only cost."""
        for key, body in objects:
            self.put(key, body)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects."""
        with self._lock:
            for key in keys:
                self.contents.pop(key, None)

    def scan(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object below the folder."""
        folder = prefix.rstrip("/") + "/" if prefix else ""
        for key, (data, modified) in list(self.contents.items()):
            if key.startswith(folder):
                yield ObjectInfo(key, len(data), modified)

    def folders(self, prefix: str) -> list[str]:
        """Names directly below that have something below them."""
        folder = prefix.rstrip("/") + "/" if prefix else ""
        rest = (key[len(folder) :] for key in list(self.contents) if key.startswith(folder))
        return sorted({name.split("/")[0] for name in rest if "/" in name})

    def clock(self) -> datetime:
        """This machine's time, moved by ``skew``."""
        return datetime.now(UTC) + self.skew

    def uri(self, key: str, scheme: str | None = None) -> str:
        """A name that no engine can read."""
        return f"{scheme or 'memory'}://{key}"
