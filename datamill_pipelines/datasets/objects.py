"""The one door to where bytes are kept: an abstract object store.

Implementations: :mod:`.local` (a directory, with its own discipline of fsync) and :mod:`.s3` (any S3-compatible
server).
:mod:`.testing` has one in memory and wrappers that inject faults; all pass the same contract tests.

Keys are relative, with ``/`` between segments of ``[A-Za-z0-9._~=-]``. Whatever a method that writes has returned
from is durable. No method lists in order to find out what is newest.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 (dataclass field, inspected at run time by users)
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

Body = bytes | Path
"""What an object is written from: bytes in memory, or a file."""

PARALLEL_REQUESTS = 8
"""Requests in flight for batches. Two cores saturate well before; servers throttle above."""


@dataclass(frozen=True)
class ObjectInfo:
    """One listed object.

    Attributes:
        key: relative to the store.
        size: bytes.
        modified: on the store's own clock, with a time zone.
    """

    key: str
    size: int
    modified: datetime


class ObjectStore(ABC):
    """Named, immutable or replaceable byte strings.

    Attributes:
        url: ``file:///...`` or ``s3://bucket/prefix``, without secrets.
    """

    url: str

    held: ClassVar[int] = 64 << 20
    """Bytes of files that a transaction holds back, to make them durable together, before it writes ahead."""

    is_trusted: ClassVar[bool] = False
    """Whether conditional writes are known to decide races, so that nobody has to try it out."""

    @abstractmethod
    def get(self, key: str) -> bytes:
        """The whole object.

        Raises:
            MissingObjectError: there is none.
        """

    @abstractmethod
    def get_range(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes from ``start``.

        Raises:
            MissingObjectError: there is no such object.
            DamagedObjectError: the object is shorter.
        """

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Bytes of the object, ``None`` when there is none."""

    @abstractmethod
    def put(self, key: str, body: Body) -> None:
        """Create or replace, atomically."""

    @abstractmethod
    def put_new(self, key: str, data: bytes) -> bool:
        """Create the object unless there is one; whether it was created by this very call.

        The caller's bytes carry a nonce when it matters that a lost reply is recognised as one's own success.
        """

    @abstractmethod
    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that do not exist are no error."""

    @abstractmethod
    def scan(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object below the folder ``prefix`` (``""`` for all), in no promised order."""

    @abstractmethod
    def folders(self, prefix: str) -> list[str]:
        """Names directly below the folder ``prefix`` that have objects below them, sorted."""

    @abstractmethod
    def clock(self) -> datetime:
        """The store's own time, the one that :attr:`ObjectInfo.modified` is on."""

    @abstractmethod
    def uri(self, key: str, scheme: str | None = None) -> str:
        """The object's address for an engine: a path, or ``s3a://bucket/key`` (``scheme`` chooses another)."""

    def download(self, key: str, target: Path) -> None:
        """Copy the object into the new file ``target``; not synced."""
        target.write_bytes(self.get(key))

    def local_path(self, key: str) -> Path | None:
        """The file that holds the object, when there is one on this machine."""
        del key
        return None

    def put_many(self, objects: Sequence[tuple[str, Body]]) -> None:
        """Create or replace several objects, in parallel; all durable on return."""
        if len(objects) <= 1:
            for key, body in objects:
                self.put(key, body)
            return
        with ThreadPoolExecutor(min(PARALLEL_REQUESTS, len(objects))) as pool:
            for done in [pool.submit(self.put, key, body) for key, body in objects]:
                done.result()

    def get_many(self, keys: Sequence[str]) -> list[bytes]:
        """Several whole objects, in the order of ``keys``."""
        if len(keys) <= 1:
            return [self.get(key) for key in keys]
        with ThreadPoolExecutor(min(PARALLEL_REQUESTS, len(keys))) as pool:
            return list(pool.map(self.get, keys))

    def publish(self, objects: Sequence[tuple[str, Body]], key: str, data: bytes) -> bool:
        """Make ``objects`` durable, and only then :meth:`put_new` the object that refers to them."""
        self.put_many(objects)
        return self.put_new(key, data)

    def settle(self, key: str) -> None:
        """Make durable what another writer has only just made visible, before something durable refers to it."""
        del key

    def crowd(self, key: str, meanwhile: Callable[[], None]) -> contextlib.AbstractContextManager[bool]:
        """Several writers may want to append to ``key`` next: a store may queue them. Never needed for correctness.

        Args:
            key: of the log.
            meanwhile: called when there is a queue, before it is waited in.

        Returns:
            A context manager that says whether there was a queue, so that others have probably been first.
        """
        del key, meanwhile
        return contextlib.nullcontext(False)

    def abandoned(self, older_than: datetime) -> Iterator[str]:
        """Describe, and clean up as they are described, leftovers of killed writers that never became objects."""
        del older_than
        return iter(())

    def put_volatile(self, key: str, data: bytes) -> None:
        """Create or replace an object whose loss does no harm: hints, sessions."""
        self.put(key, data)

    def close(self) -> None:  # noqa: B027 (most stores hold nothing)
        """Release connections and descriptors."""

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
