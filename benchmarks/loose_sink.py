"""The same engine with exactly-once off: what a sink saves that promises less.

Kafka client, decoding, cutting and Parquet writer are the same. Left out is everything that makes it exactly once and
versioned: no positions, no fences, no digests, no tree, no commit, no conditional write, no question to the broker
whether the topic is still the same. Files are plain objects under their names, and the offsets are in the consumer
group, committed after the files: at least once.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.ours_settings import DATASETS, EVENTS, KAFKA, TOPIC, TOTAL
from datamill_pipelines.datasets.store import open_objects
from datamill_pipelines.datasets.tables import encode_table
from datamill_pipelines.stream.draft import Head
from datamill_pipelines.stream.kafka_feed import KafkaFeed
from datamill_pipelines.stream.positioned import PositionedLanding
from datamill_pipelines.stream.sink import Limits, Sink, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from datamill_pipelines.datasets.objects import ObjectStore
    from datamill_pipelines.stream.draft import Draft
    from datamill_pipelines.stream.records import Records


@dataclass
class LooseTransaction:
    """Takes what a sink writes, and puts it at once."""

    objects: ObjectStore
    head: None = None
    commit: None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def put(self, path: str, data: bytes) -> None:
        """An object under its name."""
        self.objects.put(path, data)

    def put_table(self, path: str, table: pa.Table) -> None:
        """A Parquet file under its name."""
        self.objects.put(path, encode_table(table))

    def delete(self, path: str) -> None:
        """Remove an object."""
        self.objects.delete([path])

    def advance(self, key: str, start: int, end: int, *, adopt: bool = False) -> None:
        """Positions are not kept."""


@dataclass
class LooseRepo:
    """Makes loose transactions."""

    objects: ObjectStore

    @contextlib.contextmanager
    def commit(self, *_: object, **__: object) -> Iterator[LooseTransaction]:
        """A transaction that takes nothing back."""
        yield LooseTransaction(self.objects)


class LooseTarget(Target):
    """A prefix of a bucket."""

    def open(self) -> LooseRepo:  # type: ignore[override]
        """The prefix."""
        return LooseRepo(open_objects(DATASETS))

    def head(self) -> Head:
        """Nothing is known of what is there."""
        return Head(None)


class LooseFeed(KafkaFeed):
    """Does not look whether what it reads continues what is landed."""

    def continues(self, head: Head) -> bool:
        """Always."""
        del head
        return True

    def advance(self, draft: Draft) -> dict[str, str]:
        """Nothing to record."""
        del draft
        return {}


class CountingLanding(PositionedLanding):
    """Knows how many records it took: a loose transaction makes no commit that says so."""

    taken = 0

    def add(self, records: Records) -> None:
        """Count, and take."""
        self.taken += len(records)
        super().add(records)


limits = Limits()
target = LooseTarget(None, "bench/loose")  # type: ignore[arg-type]  # there is no store
feed = LooseFeed(KAFKA, TOPIC, f"{DATASETS.text('url')}/loose", prefetch_bytes=limits.prefetch)
landing = CountingLanding(EVENTS, dataset=target.name)
Sink(feed, landing, target, limits=limits).run()
if landing.taken != TOTAL:
    raise SystemExit(f"{landing.taken} messages of {TOTAL} were taken")
