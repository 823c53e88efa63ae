"""The doors of a sink, with a trap in one of them: the process stops or dies there, by a real signal."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from datamill_pipelines.datasets.files import Files
from datamill_pipelines.datasets.objects import ObjectStore
from datamill_pipelines.datasets.testing import WrappedStore
from datamill_pipelines.stream.draft import Draft, Head
from datamill_pipelines.stream.feeds import Engine, Feed
from datamill_pipelines.stream.records import Records

T = TypeVar("T")
DOORS = ("broker", "objects", "files")


@dataclass
class Trap:
    """One moment: before or after one operation of one door.

    Attributes:
        door: one of :data:`DOORS`; ``""`` for none.
        at: index of the operation, from 0.
        after: whether the operation still takes effect.
        signal: sent to this process, by name.
    """

    door: str = ""
    at: int = -1
    after: bool = False
    signal: str = "SIGKILL"

    def __post_init__(self) -> None:
        self.passed: Counter[str] = Counter()

    def around(self, door: str, call: Callable[[], T]) -> T:
        """Do ``call``, with the signal when it is its turn."""
        index = self.passed[door]
        self.passed[door] += 1
        here = door == self.door and index == self.at
        if here and not self.after:
            self.spring()
        result = call()
        if here and self.after:
            self.spring()
        return result

    def spring(self) -> None:
        os.kill(os.getpid(), signal.Signals[self.signal])


class TrappedFiles(Files):
    """File operations that pass a trap."""

    def __init__(self, trap: Trap) -> None:
        self._trap = trap

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name.startswith("_") or not callable(value):
            return value
        return lambda *arguments: self._trap.around("files", lambda: value(*arguments))


class TrappedStore(WrappedStore):
    """Object operations that pass a trap, each of a commit's by itself."""

    def __init__(self, inner: ObjectStore, trap: Trap) -> None:
        super().__init__(inner)
        self._trap = trap
        self.is_trusted = inner.is_trusted

    def around(self, operation: str, key: str, call: Callable[[], T]) -> T:
        del operation, key
        return self._trap.around("objects", call)


class TrappedFeed(Feed):
    """A source whose every question and answer passes a trap, and that is as slow as it is told to be."""

    def __init__(self, inner: Feed, trap: Trap, pace: float = 0) -> None:
        self._inner, self._trap, self._pace, self.name = inner, trap, pace, inner.name

    def attach(self, engine: Engine) -> None:
        self._inner.attach(engine)

    def begin(self, head: Head) -> None:
        self._trap.around("broker", lambda: self._inner.begin(head))

    def poll(self, seconds: float) -> Sequence[Records]:
        time.sleep(self._pace)
        return self._trap.around("broker", lambda: self._inner.poll(seconds))

    def finished(self) -> bool:
        return self._inner.finished()

    def continues(self, head: Head) -> bool:
        return self._inner.continues(head)

    def advance(self, draft: Draft) -> dict[str, str]:
        return self._trap.around("broker", lambda: self._inner.advance(draft))

    @property
    def must_commit(self) -> bool:
        return self._inner.must_commit

    def acknowledge(self) -> None:
        self._trap.around("broker", self._inner.acknowledge)

    def close(self) -> None:
        self._trap.around("broker", self._inner.close)
