"""What happens to Kafka and its topics: the sink goes on from its commit, or stops with the error of that name."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import TopicPartition
from embedded.room import Platform
from faults.bench import Bench, Case, Log, Trial, Violation, expect, must_work, sizes
from faults.kafka_topics import Topic, land_topic, numbered
from faults.landing import REF, make_sink
from faults.rows import Row
from faults.soundness import check_sound
from faults.topics import check_landed

from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.errors import DatamillError
from datamill_pipelines.datasets import DatasetStore, open_store
from datamill_pipelines.stream import kafka_feed
from datamill_pipelines.stream.draft import Draft, Head
from datamill_pipelines.stream.errors import RecreatedTopicError, RetentionGapError
from datamill_pipelines.stream.kafka_client import TopicFacts
from datamill_pipelines.stream.kafka_feed import KafkaFeed
from datamill_pipelines.stream.sink import Landed

pytestmark = pytest.mark.timeout(1_200)
FIRST, SECOND = 600, 6_000
"""Messages landed before the fault, and those to be landed when it comes."""


class Stage:
    """A topic that is landed in part, and more in it to land.

    Args:
        kafka: the broker.
        folder: for stores.
    """

    def __init__(self, kafka: ResolvedConnection, folder: Path, second: int = SECOND) -> None:
        name = f"bench-{secrets.token_hex(4)}"
        self.kafka, self.topic = kafka, Topic(kafka, name)
        self.store = open_store((folder / name).as_uri())
        self.topic.send(numbered(0, FIRST))
        land_topic(kafka, name, self.store)
        self.before = self.store.commit_view(REF).id
        self.topic.send(numbered(FIRST, second))

    def land(self, *, adopt: bool = False) -> Landed:
        return land_topic(self.kafka, self.topic.name, self.store, adopt=adopt)

    def check_all_landed(self) -> None:
        """The topic, read by a plain consumer, is what was sent and what is landed."""
        expect(self.topic.read() == self.topic.sent, "the broker itself lost or doubled what was sent")
        self.check(self.topic.sent)

    def check(self, partitions: list[list[bytes | None]]) -> None:
        check_landed(DatasetStore(self.store.objects).commit_view(REF), partitions)
        check_sound(self.store.objects)

    def check_stops(self, error: type[DatamillError]) -> None:
        """Landing ends with this error, and the dataset is as it was."""
        try:
            self.land()
        except DatamillError as caught:
            expect(isinstance(caught, error), f"{caught!r} and not {error.__name__}")
            expect(bool(caught.instruction), "an error without an instruction")
        else:
            raise Violation(f"it went on, and did not stop with {error.__name__}")
        expect(self.store.commit_view(REF).id == self.before, "something was committed all the same")


def in_background(call: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failures


def cases(bench: Bench, rounds: int, longest: float = 0.0) -> Iterator[Case]:
    """Rounds, each with a delay of its own before the fault."""
    chance = random.Random(bench.seed)
    for number in range(rounds):
        yield {"round": number, "delay": round(chance.uniform(0, longest), 3)}


@sizes(1, 20)
def test_killed(bench: Bench, platform: Platform, kafka: ResolvedConnection, tmp_path: Path, size: int) -> None:
    def try_one(case: Case, log: Log) -> None:
        stage = Stage(kafka, tmp_path)
        thread, failures = in_background(stage.land)
        time.sleep(case["delay"])
        platform.kill("kafka")
        log("killed")
        platform.wait_healthy("kafka")
        log("healthy")
        thread.join()
        log("the sink ended", failures=[repr(each) for each in failures])
        expect(all(isinstance(each, DatamillError) for each in failures), f"an error without a name: {failures}")
        with must_work("landing again"):
            stage.land()
        stage.check_all_landed()

    bench.run(Row.BROKER_KILLED, cases(bench, size, 1.0), try_one)


@sizes(1, 20)
def test_paused(bench: Bench, platform: Platform, kafka: ResolvedConnection, tmp_path: Path, size: int) -> None:
    def try_one(case: Case, log: Log) -> None:
        stage = Stage(kafka, tmp_path)
        thread, failures = in_background(stage.land)
        time.sleep(case["delay"])
        with paused(platform.pid("kafka")):
            log("paused")
            time.sleep(1.5)
        log("resumed")
        thread.join()
        expect(not failures, f"a pause ended the sink: {failures}")
        stage.check_all_landed()

    bench.run(Row.BROKER_PAUSED, cases(bench, size, 0.4), try_one)


@contextlib.contextmanager
def paused(pid: int) -> Iterator[None]:
    """A process and its children stand still."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process.pid, signal.SIGCONT)


@sizes(1, 20)
def test_group_offsets_deleted(bench: Bench, kafka: ResolvedConnection, tmp_path: Path, size: int) -> None:
    bench.run(Row.OFFSETS_DELETED, cases(bench, size), without_group(kafka, tmp_path, KafkaFeed))


class GroupFeed(KafkaFeed):
    """Negative control: continues from what the group was told, and from the start when it was told nothing."""

    def begin(self, head: Head) -> None:
        super().begin(head)
        committed = self._source._consumer.committed([TopicPartition(self._topic, each) for each in self._until], 30)
        self._begun = {each.partition: max(each.offset, 0) for each in committed}
        self._source.assign(self._begun, self._until)

    def continues(self, head: Head) -> bool:
        del head
        return True

    def advance(self, draft: Draft) -> dict[str, str]:
        del draft
        return {"source": self.name}


def without_group(kafka: ResolvedConnection, folder: Path, feed: type[KafkaFeed]) -> Trial:
    def try_one(case: Case, log: Log) -> None:
        del case
        stage = Stage(kafka, folder, 300)
        stage.topic.delete_group(f"datamill.{REF}")
        log("the group is deleted")
        with must_work("landing without a group"):
            make_sink(stage.store, feed(kafka, stage.topic.name, REF)).run()
        stage.check_all_landed()

    return try_one


@sizes(1, 20)
def test_recreated(bench: Bench, kafka: ResolvedConnection, tmp_path: Path, size: int) -> None:
    bench.run(Row.RECREATED, cases(bench, size), recreated(kafka, tmp_path))


def recreated(kafka: ResolvedConnection, folder: Path) -> Trial:
    def try_one(case: Case, log: Log) -> None:
        stage = Stage(kafka, folder, 300)
        before = [values[: FIRST // 3] for values in stage.topic.sent]
        stage.topic.recreate()
        log("recreated")
        # As many as before, or more: positions alone would not show that it is another topic.
        stage.topic.sent = [[] for _ in before]
        stage.topic.send(numbered(10_000, FIRST + 30 * case["round"]))
        stage.check_stops(RecreatedTopicError)
        with must_work("adopting the topic"):
            stage.land(adopt=True)
        stage.check([old + new for old, new in zip(before, stage.topic.sent, strict=True)])
        adopted = DatasetStore(stage.store.objects).commit_view(REF).commit.metadata.get("adopted", "")
        expect("created again" in adopted, "the commit does not say that the topic was adopted")

    return try_one


@sizes(1, 20)
def test_retention_passed_the_position(bench: Bench, kafka: ResolvedConnection, tmp_path: Path, size: int) -> None:
    bench.run(Row.RETENTION, cases(bench, size), shortened(kafka, tmp_path))


def shortened(kafka: ResolvedConnection, folder: Path) -> Trial:
    def try_one(case: Case, log: Log) -> None:
        stage = Stage(kafka, folder, 300)
        partition, lost = case["round"] % 3, 1 + 4 * case["round"]
        stage.topic.delete_before(partition, FIRST // 3 + lost)
        log("records are gone", partition=partition, records=lost)
        stage.check_stops(RetentionGapError)
        with must_work("adopting the gap"):
            stage.land(adopt=True)
        left = [list(values) for values in stage.topic.sent]
        del left[partition][FIRST // 3 : FIRST // 3 + lost]
        stage.check(left)

    return try_one


@pytest.mark.control
def test_a_sink_that_continues_from_the_group_is_caught(
    bench: Bench, kafka: ResolvedConnection, tmp_path: Path
) -> None:
    broken = without_group(kafka, tmp_path, GroupFeed)
    bench.control(Row.OFFSETS_DELETED, "a sink that continues from the group", [{}], broken)


@pytest.mark.control
def test_a_sink_that_knows_topics_by_name_is_caught(
    bench: Bench, kafka: ResolvedConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TopicFacts, "position_key", lambda self, number: f"kafka/c/{self.topic}/t/{number}")
    broken = recreated(kafka, tmp_path)
    bench.control(Row.RECREATED, "a sink that knows topics by name alone", [{"round": 1}], broken)


@pytest.mark.control
def test_a_sink_that_skips_a_gap_in_silence_is_caught(
    bench: Bench, kafka: ResolvedConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resume = kafka_feed.resume
    monkeypatch.setattr(kafka_feed, "resume", lambda *given, **named: resume(*given, **{**named, "adopt": True}))
    broken = shortened(kafka, tmp_path)
    bench.control(Row.RETENTION, "a sink that skips a gap in silence", [{"round": 1}], broken)


@pytest.mark.control
@pytest.mark.parametrize("row", [Row.BROKER_KILLED, Row.BROKER_PAUSED], ids=lambda row: row.name)
def test_a_sink_that_drops_what_it_had_taken_is_caught(
    bench: Bench, kafka: ResolvedConnection, tmp_path: Path, row: Row
) -> None:
    """What a reconnection must not do: one batch that was taken is gone, and the position passes it."""

    class Forgetful(KafkaFeed):
        forgotten = False

        def poll(self, seconds: float) -> object:  # type: ignore[override]
            taken = super().poll(seconds)
            if taken and not self.forgotten:
                self.forgotten = True
                return []
            return taken

    def try_one(case: Case, log: Log) -> None:
        del case, log
        stage = Stage(kafka, tmp_path, 300)
        make_sink(stage.store, Forgetful(kafka, stage.topic.name, REF)).run()
        stage.check_all_landed()

    bench.control(row, "a sink that drops what it had taken", [{}], try_one)
