"""Sinks of a topic in memory, for children that are killed: what they land, and where they are trapped."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from faults.doors import Trap, TrappedFeed, TrappedFiles, TrappedStore
from faults.topics import CUTTING, SCHEMA, Partitions, draw_topic

from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.datasets.files import Files
from datamill_pipelines.datasets.local import LocalStore
from datamill_pipelines.datasets.objects import Body, ObjectStore
from datamill_pipelines.datasets.s3 import S3Store
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.testing import UnsyncedFiles
from datamill_pipelines.stream import kafka_client, kafka_source
from datamill_pipelines.stream.draft import Draft, Head
from datamill_pipelines.stream.feeds import Feed
from datamill_pipelines.stream.kafka_feed import FollowedTopic, KafkaFeed
from datamill_pipelines.stream.positioned import PositionedLanding
from datamill_pipelines.stream.sink import Landed, Limits, Sink, Target, stopped_by_signals
from datamill_pipelines.stream.testing import MemoryFeed, MemoryTopic

REPO = "raw/x"
REF = f"{REPO}@main"
Place = dict[str, Any]
"""Where a store is, as JSON says it: ``{"root": directory}``, or the fields of an S3 connection and a prefix."""


def open_place(place: Place, files: Files | None = None) -> ObjectStore:
    """The door to the bytes at a place."""
    if "root" in place:
        return LocalStore(Path(place["root"]), files)
    connection = ResolvedConnection("s3", "s3proxy", place["fields"], frozenset())
    return S3Store(place["bucket"], place["prefix"], connection, timeout=20)


def make_sink(store: DatasetStore, feed: Feed, *, interval: float = 60.0) -> Sink:
    """The product's sink, as it is."""
    landing = PositionedLanding(SCHEMA, dataset=REF, cutting=CUTTING)
    return Sink(feed, landing, Target(store, REPO), limits=Limits(memory=1 << 20, interval=interval))


def land(objects: ObjectStore, partitions: Partitions, *, batch: int = 60) -> Landed:
    """Land everything, undisturbed."""
    topic = MemoryTopic([list(values) for values in partitions])
    return make_sink(DatasetStore(objects), MemoryFeed(topic, batch)).run()


def land_trapped(
    place: Place, seed: int, counts: list[int], trap: dict[str, Any], told: str = "", broken: str = "", pace: float = 0
) -> None:
    """Child: land a topic with a trap in one of the doors.

    Args:
        place: of the store.
        seed: of the topic.
        counts: records by partition.
        trap: see :class:`Trap`.
        told: file for what was done: operations by door, and how the run ended.
        broken: ``"hasty"`` for a sink that acknowledges before it commits and continues from there, or
            ``"overwriting"`` for a store that overwrites heads.
        pace: seconds between two looks at the source, and a commit after some of them; 0 for one commit.
    """
    # A kill does not undo what the kernel was told, so nothing needs to be synced to survive it.
    set_trap = Trap(**trap)
    files = TrappedFiles(set_trap) if set_trap.door == "files" else UnsyncedFiles()
    objects = open_place(place, files)
    topic = MemoryTopic(draw_topic(seed, *counts))
    feed: Feed = MemoryFeed(topic, 20 if pace else 60)
    if broken == "hasty":
        feed = HastyFeed(topic, 20 if pace else 60, Path(place["root"]).with_suffix(".group"))
    if broken == "overwriting":
        objects = Overwriting(Path(place["root"]), files)
    if set_trap.door == "objects":
        objects = TrappedStore(objects, set_trap)
    sink = make_sink(DatasetStore(objects), TrappedFeed(feed, set_trap, pace), interval=6 * pace or 60.0)
    landed = sink.run()
    if told:
        summary = {"passed": set_trap.passed, "refused": landed.refused, "commits": len(landed.commits)}
        Path(told).write_text(json.dumps(summary), encoding="utf-8")


def land_kafka(
    connection: dict[str, Any],
    topic: str,
    place: Place,
    trap: dict[str, Any] | None = None,
    told: str = "",
    *,
    follow: bool = False,
    unfenced: bool = False,
) -> None:
    """Child: land a real topic, with a trap at the calls of the client library.

    Args:
        connection: of the broker.
        topic: its name.
        place: of the store.
        trap: see :class:`Trap`.
        told: file for how many calls there were.
        follow: as a member of the group, until SIGTERM.
        unfenced: negative control: a sink that begins at the beginning and lands on whatever is there.
    """
    set_trap = Trap(**(trap or {}))
    if set_trap.door or told:
        trap_calls(set_trap)
    broker = ResolvedConnection("kafka", "kafka", connection, frozenset())
    store = DatasetStore(open_place(place, UnsyncedFiles()))
    if follow:
        with stopped_by_signals() as stop:
            make_sink(store, FollowedTopic(broker, topic, REF), interval=0.3).follow(stop)
        return
    feed = (Unfenced if unfenced else KafkaFeed)(broker, topic, REF)
    make_sink(store, feed, interval=0.1).run()
    if told:
        Path(told).write_text(json.dumps({"passed": set_trap.passed}), encoding="utf-8")


class Unfenced(KafkaFeed):
    """Negative control: knows no positions."""

    def begin(self, head: Head) -> None:
        super().begin(head)
        self._begun = dict.fromkeys(self._begun, 0)
        self._source.assign(self._begun, self._until)

    def continues(self, head: Head) -> bool:
        del head
        return True

    def advance(self, draft: Draft) -> dict[str, str]:
        del draft
        return {"source": self.name}


def trap_calls(trap: Trap) -> None:
    """Every call of the product to the client library passes a trap."""

    class Consumer(kafka_source.Consumer):
        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            if name not in {"assign", "consume", "commit", "close"}:
                return value
            return lambda *given, **named: trap.around("broker", lambda: value(*given, **named))

    class AdminClient(kafka_client.AdminClient):
        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            if name not in {"describe_cluster", "describe_topics", "list_offsets"}:
                return value
            return lambda *given, **named: trap.around("broker", lambda: value(*given, **named))

    vars(kafka_source)["Consumer"] = Consumer
    vars(kafka_client)["AdminClient"] = AdminClient


class Overwriting(LocalStore):
    """Negative control: a store that writes a head though there is one already, and has no queue to hide it."""

    def crowd(self, key: str, meanwhile: Callable[[], None]) -> contextlib.AbstractContextManager[bool]:
        return ObjectStore.crowd(self, key, meanwhile)

    def publish(self, objects: Sequence[tuple[str, Body]], key: str, data: bytes) -> bool:
        self.put_many([*objects, (key, data)])
        return True

    def put_new(self, key: str, data: bytes) -> bool:
        self.put(key, data)
        return True


class HastyFeed(MemoryFeed):
    """Negative control: acknowledges before the commit, and continues from what was acknowledged."""

    def __init__(self, topic: MemoryTopic, batch: int, group: Path) -> None:
        super().__init__(topic, batch)
        self._group = group

    def begin(self, head: Head) -> None:
        super().begin(head)
        if self._group.exists():
            self._at = list(json.loads(self._group.read_text(encoding="utf-8")))
            self._begun = list(self._at)

    def continues(self, head: Head) -> bool:
        del head
        return True

    def advance(self, draft: Draft) -> dict[str, str]:
        # A broker keeps offsets or does not; it never keeps half of them because its client was killed.
        new = self._group.with_suffix(".new")
        new.write_text(json.dumps(self._at), encoding="utf-8")
        new.replace(self._group)
        for number, at in enumerate(self._at):
            draft.advance(self._key(number), at, adopt=True)
        return {"source": self.name}
