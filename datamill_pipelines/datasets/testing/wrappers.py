"""Doors that record, crash or fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from datamill_pipelines.datasets.files import Files
from datamill_pipelines.datasets.objects import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from datamill_pipelines.datasets.objects import Body, ObjectInfo

T = TypeVar("T")


class Crash(BaseException):
    """The process was killed."""


class WrappedStore(ObjectStore):
    """Passes every operation on through :meth:`around`.

    Args:
        inner: the store.
    """

    def __init__(self, inner: ObjectStore) -> None:
        self.inner = inner
        self.url = inner.url

    def around(self, operation: str, key: str, call: Callable[[], T]) -> T:
        """Do ``call``; override it to do something else."""
        del operation, key
        return call()

    def get(self, key: str) -> bytes:
        """The whole object."""
        return self.around("get", key, lambda: self.inner.get(key))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """A part of the object."""
        return self.around("get_range", key, lambda: self.inner.get_range(key, start, length))

    def size(self, key: str) -> int | None:
        """Bytes of the object."""
        return self.around("size", key, lambda: self.inner.size(key))

    def put(self, key: str, body: Body) -> None:
        """Create or replace."""
        self.around("put", key, lambda: self.inner.put(key, body))

    def put_new(self, key: str, data: bytes) -> bool:
        """Create unless present."""
        return self.around("put_new", key, lambda: self.inner.put_new(key, data))

    def put_many(self, objects: Sequence[tuple[str, Body]]) -> None:
        """Create or replace several, one after the other, so that each is an operation of its own."""
        for key, body in objects:
            self.put(key, body)

    def get_many(self, keys: Sequence[str]) -> list[bytes]:
        """Several objects, one after the other, so that each is an operation of its own, and always the same one."""
        return [self.get(key) for key in keys]

    def put_volatile(self, key: str, data: bytes) -> None:
        """Create or replace."""
        self.around("put_volatile", key, lambda: self.inner.put_volatile(key, data))

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, one after the other."""
        for key in keys:
            self.around("delete", key, lambda key=key: self.inner.delete([key]))  # type: ignore[misc]

    def scan(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object below the folder."""
        return self.around("scan", prefix, lambda: iter(list(self.inner.scan(prefix))))

    def folders(self, prefix: str) -> list[str]:
        """Names directly below."""
        return self.around("folders", prefix, lambda: self.inner.folders(prefix))

    def clock(self) -> datetime:
        """The inner store's clock."""
        return self.inner.clock()

    def uri(self, key: str, scheme: str | None = None) -> str:
        """The inner store's address."""
        return self.inner.uri(key, scheme)

    def local_path(self, key: str) -> Path | None:
        """The inner store's file."""
        return self.inner.local_path(key)

    def settle(self, key: str) -> None:
        """Settle in the inner store."""
        self.around("settle", key, lambda: self.inner.settle(key))

    def abandoned(self, older_than: datetime) -> Iterator[str]:
        """Leftovers of the inner store."""
        return self.inner.abandoned(older_than)


class RecordingStore(WrappedStore):
    """Remembers what was asked.

    Attributes:
        operations: (operation, key), in order.
    """

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self.operations: list[tuple[str, str]] = []

    def around(self, operation: str, key: str, call: Callable[[], T]) -> T:
        """Note and do."""
        self.operations.append((operation, key))
        return call()

    def count(self, *operations: str) -> int:
        """How many of these operations there were."""
        return sum(name in operations for name, _ in self.operations)


class CrashingStore(WrappedStore):
    """Kills its user at one operation, before or after it takes effect; whatever is asked later is refused as well.

    Args:
        inner: the store.
        at: index of the operation, from 0.
        after: whether the operation still takes effect.
    """

    def __init__(self, inner: ObjectStore, at: int, *, after: bool) -> None:
        super().__init__(inner)
        self._left, self._after = at, after

    @property
    def crashed(self) -> bool:
        """Whether the operation was reached."""
        return self._left < 0

    def around(self, operation: str, key: str, call: Callable[[], T]) -> T:
        """Do, until it is time."""
        self._left -= 1
        if self._left >= 0:
            return call()
        if self._left == -1 and self._after:
            call()
        raise Crash(f"{operation} {key}")


class FailingFiles(Files):
    """Fails one file system call, and on demand all that follow.

    Args:
        error: made for the call that fails.
        at: index of the call, from 0; negative for none.
        lasting: whether later calls that write fail as well.
    """

    def __init__(self, error: Callable[[], BaseException], at: int, *, lasting: bool = False) -> None:
        self._error, self._at, self._lasting = error, at, lasting
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 (every method of Files)
        """Count calls of the methods of :class:`Files`."""
        value = super().__getattribute__(name)
        if name.startswith("_") or name in {"calls", "close"} or not callable(value):
            return value

        def call(*arguments: Any) -> Any:  # noqa: ANN401
            index = len(self.calls)
            self.calls.append(name)
            # Removing names works on a full disk.
            if index == self._at or (self._lasting and 0 <= self._at < index and name != "unlink"):
                raise self._error()
            return value(*arguments)

        return call


class InterruptedStore(WrappedStore):
    """Lets something else happen just before one operation.

    Args:
        inner: the store.
        at: index of the operation, from 0.
        what: happens before it.
    """

    def __init__(self, inner: ObjectStore, at: int, what: Callable[[], object]) -> None:
        super().__init__(inner)
        self._left, self._what = at, what

    @property
    def interrupted(self) -> bool:
        """Whether the operation was reached."""
        return self._left < 0

    def around(self, operation: str, key: str, call: Callable[[], T]) -> T:
        """Do, with the interruption when it is time."""
        del operation, key
        self._left -= 1
        if self._left == -1:
            self._what()
        return call()
