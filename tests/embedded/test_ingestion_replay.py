"""Flights are in the topic exactly once, however often and by whomever they are replayed."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from datamill_infra.capabilities.kafka import client_options
from datamill_infra.model.errors import ConfigurationError
from datamill_pipelines.ingestion import nycflights
from datamill_pipelines.ingestion.errors import ReplayTakenOverError, UnsafeTopicError
from datamill_pipelines.ingestion.flight_replay import FlightReplay
from datamill_pipelines.ingestion.pacing import Pace
from datamill_pipelines.ingestion.replayed_rows import replayed_rows, rows_in_topic
from datamill_pipelines.stream.kafka_client import describe_topic

if TYPE_CHECKING:
    from embedded.room import Platform

    from datamill_infra.model.connections import ResolvedConnection

pytestmark = pytest.mark.timeout(600)
numbers = count()


@pytest.fixture
def kafka(platform: Platform) -> ResolvedConnection:
    return platform.connection("kafka")


@pytest.fixture
def topic() -> str:
    return f"replay-{next(numbers)}"


def source_rows(*months: str) -> list[int]:
    return nycflights.flights(months)["row"].to_list()


def records(connection: ResolvedConnection, topic: str) -> dict[int, list[Message]]:
    """Every committed record by partition, read without any of the code under test."""
    consumer = Consumer(
        client_options(connection)
        | {"group.id": "test", "isolation.level": "read_committed", "auto.offset.reset": "earliest"}
    )
    ends = describe_topic(connection, topic).latest
    consumer.assign([TopicPartition(topic, each, 0) for each in ends])
    found: dict[int, list[Message]] = {each: [] for each in ends}
    total = sum(ends.values())
    quiet = 0
    while total and quiet < 20:
        messages = consumer.consume(10_000, 0.2)
        quiet = 0 if messages else quiet + 1
        for message in messages:
            assert message.error() is None
            found[message.partition()].append(message)
    consumer.close()
    return found


def test_a_repeated_replay_adds_nothing(kafka: ResolvedConnection, topic: str) -> None:
    first = FlightReplay(kafka, topic).run(["2013-01"])
    ends = describe_topic(kafka, topic).latest
    again = FlightReplay(kafka, topic).run(["2013-01"])

    assert {"2013-01": 27_004} == first.sent == again.present
    assert {"2013-01": 0} == again.sent == first.present
    assert ends == describe_topic(kafka, topic).latest
    assert (source_rows("2013-01"), 0) == (sorted(rows_in_topic(kafka, topic)[0]), 0)


def test_months_come_in_any_order_each_once(kafka: ResolvedConnection, topic: str) -> None:
    FlightReplay(kafka, topic).run(["2013-02"])
    FlightReplay(kafka, topic).run(["2013-01", "2013-02"])

    assert sorted(source_rows("2013-01", "2013-02")) == sorted(rows_in_topic(kafka, topic)[0])
    assert 51_955 == len(replayed_rows(kafka, topic))


def test_records_carry_key_event_time_row_and_all_columns_in_the_order_of_the_source(
    kafka: ResolvedConnection, topic: str
) -> None:
    FlightReplay(kafka, topic).run(["2013-02"])
    source = {row["row"]: row for row in nycflights.flights(["2013-02"]).to_dicts()}

    for messages in records(kafka, topic).values():
        rows = [int(dict(message.headers() or ())["row"]) for message in messages]
        assert sorted(rows) == rows
        for row, message in list(zip(rows, messages, strict=True))[::97]:
            expected = dict(source[row])
            expected.pop("row")
            assert expected == json.loads(message.value() or b"")
            assert f"{expected['carrier']}{expected['flight']}".encode() == message.key()
            assert message.timestamp()[1] % 3_600_000 == expected["minute"] * 60_000


def test_a_newer_replay_takes_over_and_nothing_is_lost_or_doubled(kafka: ResolvedConnection, topic: str) -> None:
    newer = FlightReplay(kafka, topic)
    taken: list[object] = []

    def sleep(_: float) -> None:
        if not taken:
            taken.append(newer.run(["2013-01"]))

    # Paced so that it waits after its first events; meanwhile the newer one does it all.
    older = FlightReplay(kafka, topic, pace=Pace(speed=3_600.0, sleep=sleep))
    with pytest.raises(ReplayTakenOverError, match="Another replay"):
        older.run(["2013-01"])

    assert source_rows("2013-01") == sorted(rows_in_topic(kafka, topic)[0])


def test_foreign_records_in_the_topic_do_not_confuse_a_replay(kafka: ResolvedConnection, topic: str) -> None:
    from confluent_kafka import Producer

    FlightReplay(kafka, topic).run(["2013-02"])
    producer = Producer(client_options(kafka))
    for number in range(2_000):
        producer.produce(topic, b"somebody else's %d" % number, partition=number % 4)
    producer.flush()

    assert {"2013-02": 0} == FlightReplay(kafka, topic).run(["2013-02"]).sent
    assert 2_000 == rows_in_topic(kafka, topic)[1]


def test_a_topic_that_would_delete_old_events_is_refused(kafka: ResolvedConnection, topic: str) -> None:
    admin = AdminClient(client_options(kafka))
    admin.create_topics([NewTopic(topic, 1, 1, config={"retention.ms": "604800000"})])[topic].result()

    with pytest.raises(UnsafeTopicError, match=r"retention\.ms=604800000"):
        FlightReplay(kafka, topic).run(["2013-01"])

    assert {0: 0} == describe_topic(kafka, topic).latest


def test_a_month_that_is_not_there_is_refused_before_anything_is_made(kafka: ResolvedConnection, topic: str) -> None:
    with pytest.raises(ConfigurationError, match="There are no flights of '2014-01'"):
        FlightReplay(kafka, topic).run(["2013-01", "2014-01"])

    assert topic not in AdminClient(client_options(kafka)).list_topics(timeout=10).topics
