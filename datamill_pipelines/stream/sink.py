"""The engine: takes what a source has, lands it in commits, and acknowledges it afterwards.

A commit holds rows, bad messages and positions, so it is the only truth about what is landed. When it is refused
because another sink has landed meanwhile, what was taken is discarded, and the engine begins again where the branch now
is; nothing was acknowledged. That also disarms a process that slept: its next commit is the one that is refused.

Work is divided between four threads: the client library's own fetches, the caller's takes messages, one decodes, and
one writes. The queues between them are bounded, so a slow store slows the source down.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from datamill_infra.model.errors import UnknownNameError
from datamill_pipelines.datasets.errors import ConflictError, FencedError, NotFoundError
from datamill_pipelines.stream.draft import Draft, Head
from datamill_pipelines.stream.errors import SinkError
from datamill_pipelines.stream.landing import Counts
from datamill_pipelines.stream.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from datamill_pipelines.datasets.commits import Commit
    from datamill_pipelines.datasets.repos import Repo
    from datamill_pipelines.datasets.store import DatasetStore
    from datamill_pipelines.datasets.transaction import Transaction
    from datamill_pipelines.stream.feeds import Feed
    from datamill_pipelines.stream.landing import Landing
    from datamill_pipelines.stream.records import Records

LOOK_SECONDS = 0.1
"""How long one look at the source lasts; bounds how late a stop is noticed."""

ROUNDS = 100
"""Commits in a row that may be refused. Each refusal is another sink's progress, so this many mean that they fight."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """When to commit.

    Attributes:
        memory: bytes for records on their way, without what the libraries need for themselves.
        interval: seconds between commits of a sink that follows; also how much a crash makes a bounded run repeat.
    """

    memory: int = 192 << 20
    interval: float = 60.0

    @property
    def prefetch(self) -> int:
        """Bytes that the client may have fetched; it needs about as much again for its own records of them."""
        return self.memory // 12

    @property
    def in_flight(self) -> int:
        """Bytes of messages between taking and decoding."""
        return self.memory // 6

    @property
    def waiting(self) -> int:
        """Bytes of decoded records; above it there is a commit before its time."""
        return self.memory // 2


@dataclass(frozen=True)
class Target:
    """Where to land, and what commits say.

    Attributes:
        store: of the datasets.
        repo: its name; created if it does not exist.
        branch: of the repo.
        description: of a new repo.
        facts: ``run_id``, ``code_version``, ``author`` of the commits.
        metadata: of the commits.
    """

    store: DatasetStore
    repo: str
    branch: str = "main"
    description: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``repo@branch``."""
        return f"{self.repo}@{self.branch}"

    def open(self) -> Repo:
        """The repo."""
        try:
            return self.store.repo(self.repo)
        except UnknownNameError:
            return self.store.create_repo(self.repo, self.description, exist_ok=True)

    def head(self) -> Head:
        """The branch as it is; empty when there is no branch yet."""
        try:
            return Head(self.store.commit_view(self.name))
        except (NotFoundError, UnknownNameError):
            return Head(None)


@dataclass
class Landed:
    """What a run did.

    Attributes:
        counts: rows, bad messages, new columns.
        commits: those it made, in order.
        refused: commits that were discarded because another sink was first.
        seconds: duration.
    """

    counts: Counts = field(default_factory=Counts)
    commits: list[Commit] = field(default_factory=list)
    refused: int = 0
    seconds: float = 0.0


class Sink:
    """Lands one source in one branch.

    Args:
        feed: the source.
        landing: how it lies in the dataset.
        target: where.
        limits: of memory and time.
        clock: seconds, monotonic.
        on_commit: told each commit, before it is acknowledged to the source.
    """

    def __init__(
        self,
        feed: Feed,
        landing: Landing,
        target: Target,
        *,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_commit: Callable[[Commit, Counts], None] | None = None,
    ) -> None:
        self._feed, self._landing, self._target = feed, landing, target
        self._limits = limits or Limits()
        self._clock, self._on_commit = clock, on_commit
        self._repo = target.open()
        self._pipeline = Pipeline(self._take, self._limits.in_flight)
        self._open: tuple[contextlib.AbstractContextManager[Transaction], Transaction, Draft] | None = None
        self._taken_since: float | None = None
        self._landed = Landed()
        feed.attach(self)

    def run(self, stop: threading.Event | None = None) -> Landed:
        """Land what is there now, and end; when told to stop earlier, commit what was taken.

        Raises:
            SinkError: the source is not what the dataset says it was.
            UnhealthyError: the broker did not answer.
            DatasetError: the store did not.
        """
        return self._run(stop or threading.Event(), bounded=True)

    def follow(self, stop: threading.Event) -> Landed:
        """Land what comes, until told to stop; then commit what was taken.

        Raises:
            SinkError: the source is not what the dataset says it was.
            UnhealthyError: the broker did not answer.
            DatasetError: the store did not.
        """
        return self._run(stop, bounded=False)

    def commit(self) -> bool:
        """Commit what was taken.

        Returns:
            ``False`` if it was refused because another sink was first: the engine has begun again behind it.
        """
        try:
            self._pipeline.drain()
            if self._taken_since is None and not self._feed.must_commit:
                return True
            _, txn, draft = self._transaction()
            counts = self._landing.write_all(draft)
            if not counts.is_empty or self._feed.must_commit:
                told = self._feed.advance(draft)
                draft.note({**told, **counts.facts()})
                draft.finish()
                self._end(None)
            else:
                self._end(_Discarded())
        except (FencedError, ConflictError) as error:
            log.info("Discarded what was taken for %s: %s", self._target.name, error.reason)
            self._landed.refused += 1
            self._end(error)
            self.begin(self._target.head())
            return False
        except BaseException as error:
            self._end(error)
            raise
        self._taken_since = None
        self._landing.forget()
        self._landed.counts += counts
        if txn.commit is not None:
            self._landed.commits.append(txn.commit)
            if self._on_commit is not None:
                self._on_commit(txn.commit, counts)
        self._feed.acknowledge()
        return True

    def begin(self, head: Head) -> None:
        """Begin (again) on a head."""
        self.restore(head)
        self._feed.begin(head)

    def restore(self, head: Head) -> None:
        """Forget what was taken, and continue from a head."""
        self._pipeline.discard()
        self._end(_Discarded())
        self._taken_since = None
        self._landing.restore(head)

    def head(self) -> Head:
        """The branch as it is."""
        return self._target.head()

    def _run(self, stop: threading.Event, *, bounded: bool) -> Landed:
        started = self._clock()
        try:
            self.begin(self._target.head())
            refused = 0
            while not stop.is_set():
                for records in self._feed.poll(LOOK_SECONDS):
                    self._taken_since = self._taken_since or self._clock()
                    self._pipeline.put(records)
                finished = bounded and self._feed.finished()
                if not (finished or self._pipeline.failed or self._is_due()):
                    continue
                refused = 0 if self.commit() else refused + 1
                if refused > ROUNDS:
                    raise self._crowded()
                if finished and not refused:
                    break
            else:
                # Told to stop. What cannot be committed is not acknowledged either, and will come again.
                self.commit()
            self._landed.seconds = self._clock() - started
            return self._landed
        finally:
            self._pipeline.close()
            self._end(_Discarded())
            self._feed.close()

    def _is_due(self) -> bool:
        if self._taken_since is None:
            return False
        over_time = self._clock() - self._taken_since > self._limits.interval
        return over_time or self._landing.waiting_bytes > self._limits.waiting

    def _take(self, records: Records) -> None:
        """In the worker's thread: decode, and write what is finished."""
        self._landing.add(records)
        if self._landing.has_finished:
            self._landing.write_finished(self._transaction()[2])

    def _transaction(self) -> tuple[contextlib.AbstractContextManager[Transaction], Transaction, Draft]:
        if self._open is None:
            manager = self._repo.commit(
                self._target.branch,
                message=f"Land {self._feed.name}",
                metadata=dict(self._target.metadata),
                **self._target.facts,
            )
            txn = manager.__enter__()
            draft = Draft(txn)
            self._open = (manager, txn, draft)
            if not self._feed.continues(draft.head):
                raise FencedError(
                    f"{self._target.name} was moved by another sink since this one began.",
                    instruction="Discard what was taken and begin again on the new head.",
                )
        return self._open

    def _end(self, error: BaseException | None) -> None:
        """End the open transaction: commit it, or with an error discard it."""
        if self._open is not None:
            manager, _, draft = self._open
            self._open = None
            draft.close()
            manager.__exit__(None if error is None else type(error), error, None)

    def _crowded(self) -> SinkError:
        return SinkError(
            f"{ROUNDS} commits to {self._target.name} in a row were refused because other sinks were first.",
            instruction="Let one sink land this dataset, or let them follow the topic: then they share its partitions.",
        )


class _Discarded(Exception):  # noqa: N818 - not an error: it tells a transaction to leave everything as it was
    """What was taken is not to be committed."""


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, for :meth:`Sink.follow`. A second signal has its usual effect."""
    stop = threading.Event()
    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, before[number] or signal.SIG_DFL)

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
