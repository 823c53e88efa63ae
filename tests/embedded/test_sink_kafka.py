"""From a real topic into commits: exactly once, whatever happens to the topic, the sink, or its colleagues."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from datamill_infra.capabilities.kafka import client_options
from datamill_pipelines.datasets import DatasetStore, open_store
from datamill_pipelines.stream.cutting import Cutting
from datamill_pipelines.stream.errors import (
    RecreatedTopicError,
    RetentionGapError,
    TruncatedTopicError,
    UnknownTopicError,
)
from datamill_pipelines.stream.kafka_client import describe_topic
from datamill_pipelines.stream.kafka_feed import FollowedTopic, KafkaFeed
from datamill_pipelines.stream.lag import topic_lag
from datamill_pipelines.stream.positioned import PositionedLanding
from datamill_pipelines.stream.reconciliation import reconcile
from datamill_pipelines.stream.schema import Column, MessageSchema
from datamill_pipelines.stream.sink import Landed, Limits, Sink, Target

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from embedded.room import Platform

    from datamill_infra.model.connections import ResolvedConnection

pytestmark = pytest.mark.timeout(600)
numbers = count()
SCHEMA = MessageSchema((Column("n", "int64", required=True), Column("s", "string")))
CUTTING = Cutting(window=512, fan_in=4, grain=32)
REPO = "raw/x"


@pytest.fixture
def kafka(platform: Platform) -> ResolvedConnection:
    return platform.connection("kafka")


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    return open_store(tmp_path.as_uri())


@pytest.fixture
def topic(kafka: ResolvedConnection) -> str:
    name = f"sink-{next(numbers)}"
    create(kafka, name)
    return name


def create(kafka: ResolvedConnection, name: str, partitions: int = 3) -> None:
    admin = AdminClient(client_options(kafka))
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result()
    while name not in admin.list_topics(timeout=10).topics:
        time.sleep(0.05)


def produce(kafka: ResolvedConnection, topic: str, values: Iterable[bytes | None], partitions: int = 3) -> None:
    producer = Producer(client_options(kafka))
    for number, value in enumerate(values):
        producer.produce(topic, value, key=b"k%d" % number, partition=number % partitions)
        producer.poll(0)
    assert 0 == producer.flush(30)


def rows(first: int, end: int) -> list[bytes | None]:
    return [b'{"n":%d,"s":"x"}' % number for number in range(first, end)]


def sink(kafka: ResolvedConnection, topic: str, store: DatasetStore, *, adopt: bool = False, repo: str = REPO) -> Sink:
    landing = PositionedLanding(SCHEMA, dataset=f"{repo}@main", cutting=CUTTING)
    return Sink(KafkaFeed(kafka, topic, f"{repo}@main", adopt=adopt), landing, Target(store, repo))


def land(
    kafka: ResolvedConnection, topic: str, store: DatasetStore, *, adopt: bool = False, repo: str = REPO
) -> Landed:
    return sink(kafka, topic, store, adopt=adopt, repo=repo).run()


def landed_numbers(store: DatasetStore, repo: str = REPO) -> list[int]:
    return sorted(store.commit_view(f"{repo}@main").table()["n"].to_pylist())


def test_every_record_is_landed_once_and_a_second_run_finds_nothing(
    kafka: ResolvedConnection, topic: str, store: DatasetStore
) -> None:
    produce(kafka, topic, rows(0, 5_000))

    assert 5_000 == land(kafka, topic, store).counts.rows
    assert [] == land(kafka, topic, store).commits
    assert [*range(5_000)] == landed_numbers(store)
    assert [] == reconcile(kafka, topic, store.commit_view(f"{REPO}@main")).faults


def test_records_keep_the_order_of_their_partition(kafka: ResolvedConnection, topic: str, store: DatasetStore) -> None:
    produce(kafka, topic, rows(0, 3_000))
    land(kafka, topic, store)

    for partition in range(3):
        table = store.commit_view(f"{REPO}@main").table(f"{partition:05d}/")
        assert [*range(partition, 3_000, 3)] == table["n"].to_pylist()


def test_bad_messages_are_kept_with_bytes_position_and_reason_and_the_rest_goes_through(
    kafka: ResolvedConnection, topic: str, store: DatasetStore
) -> None:
    values = rows(0, 300)
    values[30:34] = [b"not json", b'{"s":"x"}', b'{"n":"one"}', None]
    produce(kafka, topic, values)

    landed = land(kafka, topic, store)

    letters = store.commit_view(f"{REPO}@main").table("_dead_letters/").sort_by("key").to_pylist()
    assert (296, 4) == (landed.counts.rows, landed.counts.dead_letters)
    assert [b"not json", b'{"s":"x"}', b'{"n":"one"}', None] == [letter["value"] for letter in letters]
    assert [f"{topic}/{number % 3}" for number in range(30, 34)] == [letter["place"] for letter in letters]
    assert [10, 10, 10, 11] == [letter["offset"] for letter in letters] == [letter["record"] for letter in letters]
    assert [b"k30", b"k31", b"k32", b"k33"] == [letter["key"] for letter in letters]
    reasons = [letter["reason"].split(":")[0] for letter in letters]
    assert ["not JSON", "missing key 'n'", "wrong type", "no value"] == reasons
    assert {*range(300)} - {30, 31, 32, 33} == set(landed_numbers(store))


def test_aborted_transactions_never_land_and_their_offsets_do_not_show(
    kafka: ResolvedConnection, topic: str, store: DatasetStore
) -> None:
    producer = Producer(client_options(kafka) | {"transactional.id": f"test-{topic}"})
    producer.init_transactions(60)
    for batch in range(40):
        producer.begin_transaction()
        for number in range(100):
            value = batch // 2 * 100 + number if batch % 2 else -1
            producer.produce(topic, b'{"n":%d,"s":"x"}' % value, partition=number % 3)
        if batch % 2:
            producer.commit_transaction(60)
        else:
            producer.flush()
            producer.abort_transaction(60)
        if batch % 10 == 9:
            land(kafka, topic, store)
    plain = f"{topic}-plain"
    create(kafka, plain)
    for batch in range(20):
        produce(kafka, plain, rows(batch * 100, batch * 100 + 100))
    land(kafka, plain, store, repo="raw/plain")

    assert [*range(2_000)] == landed_numbers(store)
    assert store.commit_view("raw/plain@main").tree_digest == store.commit_view(f"{REPO}@main").tree_digest
    # The end of a finished topic is a marker; a run passes it and has nothing left to do.
    assert 0 == topic_lag(kafka, topic, store, f"{REPO}@main").offsets


def test_a_topic_that_does_not_exist_is_named(kafka: ResolvedConnection, store: DatasetStore) -> None:
    with pytest.raises(UnknownTopicError, match="There is no topic 'nowhere'"):
        land(kafka, "nowhere", store)


def test_a_recreated_topic_is_refused_until_it_is_adopted(
    kafka: ResolvedConnection, topic: str, store: DatasetStore
) -> None:
    produce(kafka, topic, rows(0, 100))
    land(kafka, topic, store)
    before = store.commit_view(f"{REPO}@main").id
    recreate(kafka, topic)
    produce(kafka, topic, rows(100, 400))

    with pytest.raises(RecreatedTopicError, match="deleted and created again"):
        land(kafka, topic, store)
    assert before == store.commit_view(f"{REPO}@main").id

    land(kafka, topic, store, adopt=True)
    assert [*range(400)] == landed_numbers(store)
    assert "deleted and created again" in store.commit_view(f"{REPO}@main").commit.metadata["adopted"]
    produce(kafka, topic, rows(400, 450))
    land(kafka, topic, store)
    assert [*range(450)] == landed_numbers(store)


def recreate(kafka: ResolvedConnection, topic: str) -> None:
    admin = AdminClient(client_options(kafka))
    old = describe_topic(kafka, topic).topic_id
    admin.delete_topics([topic])[topic].result()
    while topic in admin.list_topics(timeout=10).topics:
        time.sleep(0.05)
    create(kafka, topic)
    assert old != describe_topic(kafka, topic).topic_id


def test_a_topic_recreated_while_it_is_read_is_found_before_the_commit(
    kafka: ResolvedConnection, topic: str, store: DatasetStore
) -> None:
    produce(kafka, topic, rows(0, 100))

    class Swapped(KafkaFeed):
        def finished(self) -> bool:
            if super().finished():
                recreate(kafka, topic)
                return True
            return False

    landing = PositionedLanding(SCHEMA, dataset=f"{REPO}@main", cutting=CUTTING)
    with pytest.raises(RecreatedTopicError, match="while raw/x@main read it"):
        Sink(Swapped(kafka, topic, f"{REPO}@main"), landing, Target(store, REPO)).run()
    assert not store.repo(REPO).branches


def test_records_deleted_before_they_were_landed_are_a_gap_with_a_name(
    kafka: ResolvedConnection, topic: str, store: DatasetStore
) -> None:
    produce(kafka, topic, rows(0, 90))
    land(kafka, topic, store)
    produce(kafka, topic, rows(90, 390))
    admin = AdminClient(client_options(kafka))
    assert all(future.result() for future in admin.delete_records([TopicPartition(topic, 1, 50)]).values())

    with pytest.raises(RetentionGapError, match=rf"Records 30 to 49 of {topic}/1 were deleted"):
        land(kafka, topic, store)

    land(kafka, topic, store, adopt=True)
    lost = {90 + 3 * number + 1 for number in range(20)}
    assert sorted({*range(390)} - lost) == landed_numbers(store)


def test_a_topic_that_ends_before_the_landed_position_is_refused(
    kafka: ResolvedConnection, topic: str, store: DatasetStore
) -> None:
    produce(kafka, topic, rows(0, 90))
    land(kafka, topic, store)
    key = describe_topic(kafka, topic).position_key(0)
    with store.repo(REPO).commit("main") as txn:
        txn.advance(key, 30, 1_000)

    with pytest.raises(TruncatedTopicError, match=f"{topic}/0 ends at 30"):
        land(kafka, topic, store)

    land(kafka, topic, store, adopt=True)
    produce(kafka, topic, rows(90, 120))
    land(kafka, topic, store)
    assert [*range(120)] == landed_numbers(store)


def test_the_consumer_group_is_told_how_far_the_dataset_is(
    kafka: ResolvedConnection, topic: str, store: DatasetStore
) -> None:
    produce(kafka, topic, rows(0, 300))
    land(kafka, topic, store)

    admin = AdminClient(client_options(kafka))
    asked = ConsumerGroupTopicPartitions(f"datamill.{REPO}@main", [TopicPartition(topic, each) for each in range(3)])
    told = admin.list_consumer_group_offsets([asked])[asked.group_id].result()

    assert {0: 100, 1: 100, 2: 100} == {each.partition: each.offset for each in told.topic_partitions}


def test_a_lost_group_is_no_loss(kafka: ResolvedConnection, topic: str, store: DatasetStore) -> None:
    produce(kafka, topic, rows(0, 300))
    land(kafka, topic, store)
    admin, group = AdminClient(client_options(kafka)), f"datamill.{REPO}@main"
    admin.delete_consumer_groups([group])[group].result()
    produce(kafka, topic, rows(300, 600))

    land(kafka, topic, store)

    assert [*range(600)] == landed_numbers(store)


def test_two_sinks_at_once_land_everything_once(kafka: ResolvedConnection, topic: str, store: DatasetStore) -> None:
    produce(kafka, topic, rows(0, 9_000))
    both = [sink(kafka, topic, store) for _ in range(2)]
    results: list[Landed] = []
    threads = [threading.Thread(target=lambda one=one: results.append(one.run())) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [*range(9_000)] == landed_numbers(store)
    assert 9_000 == sum(result.counts.rows for result in results)


def test_followers_share_a_topic_come_and_go_and_lose_nothing(
    kafka: ResolvedConnection, topic: str, store: DatasetStore
) -> None:
    stops: list[threading.Event] = []
    results: list[Landed] = []
    threads: list[threading.Thread] = []

    def join() -> None:
        stop = threading.Event()
        landing = PositionedLanding(SCHEMA, dataset=f"{REPO}@main", cutting=CUTTING)
        feed = FollowedTopic(kafka, topic, f"{REPO}@main")
        member = Sink(feed, landing, Target(store, REPO), limits=Limits(interval=0.2))
        thread = threading.Thread(target=lambda: results.append(member.follow(stop)))
        thread.start()
        stops.append(stop)
        threads.append(thread)

    sent = 0
    for leaving in (None, None, 0, None, 1):
        if leaving is None:
            join()
        else:
            stops[leaving].set()
        produce(kafka, topic, rows(sent, sent + 1_800))
        sent += 1_800
        time.sleep(0.5)
    deadline = time.monotonic() + 120
    while topic_lag(kafka, topic, store, f"{REPO}@main").offsets and time.monotonic() < deadline:
        time.sleep(0.1)
    for stop in stops:
        stop.set()
    for thread in threads:
        thread.join()

    assert 3 == len(results)
    assert [*range(sent)] == landed_numbers(store)
    for partition in range(3):
        table = store.commit_view(f"{REPO}@main").table(f"{partition:05d}/")
        assert [*range(partition, sent, 3)] == table["n"].to_pylist()


def test_what_is_read_back_is_what_was_sent(kafka: ResolvedConnection, topic: str, store: DatasetStore) -> None:
    """The checker of this file: it reads the topic with a plain consumer, and must find a missing record."""
    produce(kafka, topic, rows(0, 200))
    land(kafka, topic, store)
    consumer = Consumer(
        client_options(kafka)
        | {"group.id": "check", "auto.offset.reset": "earliest", "isolation.level": "read_committed"}
    )
    consumer.assign([TopicPartition(topic, each, 0) for each in range(3)])
    sent = Counter(json.loads(message.value() or b"{}")["n"] for message in consumer.consume(200, 30))
    consumer.close()

    assert sent == Counter(landed_numbers(store))
    assert sent != Counter(landed_numbers(store)[1:])
