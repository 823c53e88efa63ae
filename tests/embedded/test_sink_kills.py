"""SIGKILL at random instants: nothing is lost, nothing is twice, and the dataset is what an undisturbed run makes."""

from __future__ import annotations

import os
import random
import secrets
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from faults.workshop import Workshop
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from datamill_pipelines.datasets import DatasetStore, open_store
from datamill_pipelines.ingestion import nycflights
from datamill_pipelines.ingestion.contents import FLIGHTS, WEATHER
from datamill_pipelines.ingestion.flight_replay import FlightReplay
from datamill_pipelines.ingestion.replayed_rows import rows_in_topic
from datamill_pipelines.ingestion.weather_publisher import observations
from datamill_pipelines.stream.feeds import MessageFeed
from datamill_pipelines.stream.identified import IdentifiedLanding
from datamill_pipelines.stream.kafka_client import describe_topic
from datamill_pipelines.stream.kafka_feed import KafkaFeed
from datamill_pipelines.stream.mqtt_source import MqttSource, client_for, ensure_session
from datamill_pipelines.stream.positioned import PositionedLanding
from datamill_pipelines.stream.reconciliation import reconcile
from datamill_pipelines.stream.sink import Landed, Sink, Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from embedded.room import Platform

    from datamill_infra.model.connections import ResolvedConnection

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
MONTHS = ["2013-01", "2013-02"]
REPO = "raw/flights"
KILLS = 20


@pytest.fixture
def kafka(platform: Platform) -> ResolvedConnection:
    return platform.connection("kafka")


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path / "errors.log")
    yield made
    made.close()


def start(workshop: Workshop, broker: ResolvedConnection, role: str, **task: object) -> int:
    """The process id of a task of :mod:`embedded.sink_process`."""
    values = {"capability": broker.capability, "connection": dict(broker.values)}
    return workshop.start("embedded.sink_process:perform", role=role, **values, **task)


def land(kafka: ResolvedConnection, topic: str, store: DatasetStore) -> Landed:
    feed = KafkaFeed(kafka, topic, f"{REPO}@main")
    return Sink(feed, PositionedLanding(FLIGHTS, dataset=f"{REPO}@main"), Target(store, REPO)).run()


def landed_rows(store: DatasetStore) -> Counter[tuple[object, ...]]:
    """The dataset as a multiset of rows."""
    table = store.commit_view(f"{REPO}@main").table().drop_columns(["time_hour"])
    return Counter(zip(*table.to_pydict().values(), strict=True))


def source_rows() -> Counter[tuple[object, ...]]:
    return Counter(nycflights.flights(MONTHS).drop("row", "time_hour").rows())


def test_replay_and_sink_killed_twenty_times_make_what_an_undisturbed_run_makes(
    kafka: ResolvedConnection, workshop: Workshop, tmp_path: Path
) -> None:
    calm, wild = open_store((tmp_path / "calm").as_uri()), open_store((tmp_path / "wild").as_uri())
    calm_topic, topic = f"calm-{secrets.token_hex(4)}", f"wild-{secrets.token_hex(4)}"
    FlightReplay(kafka, calm_topic).run(MONTHS)
    land(kafka, calm_topic, calm)

    source = random.Random(20130101)
    replay = {"topic": topic, "months": MONTHS, "most": 150}
    sink = {"topic": topic, "repo": REPO, "store": wild.url}
    FlightReplay(kafka, topic).run([])
    struck = 0
    while struck < KILLS:
        # Both at once: the sink reads what the replay is about to abort.
        workers = [start(workshop, kafka, "replay", **replay), start(workshop, kafka, "sink", **sink)]
        for worker in source.sample(workers, 2):
            time.sleep(source.uniform(0, 0.8))
            struck += workshop.kill(worker)
    workshop.finish(start(workshop, kafka, "replay", **replay))
    workshop.finish(start(workshop, kafka, "sink", **sink))

    rows, foreign = rows_in_topic(kafka, topic)
    assert sorted(rows) == sorted(nycflights.flights(MONTHS)["row"].to_list())
    assert 0 == foreign
    assert source_rows() == landed_rows(wild)
    assert [] == reconcile(kafka, topic, wild.commit_view(f"{REPO}@main")).faults
    assert calm.commit_view(f"{REPO}@main").tree_digest == wild.commit_view(f"{REPO}@main").tree_digest
    # The check is worth something only if the runs differed: aborted transactions have used up offsets.
    assert describe_topic(kafka, calm_topic).latest != describe_topic(kafka, topic).latest


def test_the_comparison_finds_one_row_lost_and_one_row_doubled() -> None:
    whole = source_rows()
    one = next(iter(whole))

    assert whole != whole - Counter([one])
    assert whole != whole + Counter([one])


def test_a_sink_that_was_paused_while_another_landed_can_neither_overwrite_nor_double(
    kafka: ResolvedConnection, workshop: Workshop, tmp_path: Path
) -> None:
    topic = f"paused-{secrets.token_hex(4)}"
    store = open_store((tmp_path / "store").as_uri())
    FlightReplay(kafka, topic).run(["2013-01"])
    source = random.Random(1)
    for _ in range(3):
        worker = start(workshop, kafka, "sink", topic=topic, repo=REPO, store=store.url)
        time.sleep(source.uniform(0, 0.4))
        os.kill(worker, signal.SIGSTOP)
        land(kafka, topic, store)
        before = store.commit_view(f"{REPO}@main").id
        os.kill(worker, signal.SIGCONT)
        workshop.finish(worker)
        assert before == store.commit_view(f"{REPO}@main").id
    assert 27_004 == store.commit_view(f"{REPO}@main").table().num_rows
    assert [] == reconcile(kafka, topic, store.commit_view(f"{REPO}@main")).faults


def test_a_sink_killed_between_commit_and_acknowledgement_takes_the_messages_again_and_lands_none_twice(
    platform: Platform, workshop: Workshop, tmp_path: Path
) -> None:
    mqtt, name = platform.connection("mqtt"), secrets.token_hex(4)
    store = open_store((tmp_path / "store").as_uri())
    ensure_session(mqtt, name, [f"{name}/+"])
    publish(mqtt, name)

    dying = start(workshop, mqtt, "weather", client=name, topic=f"{name}/+", repo="raw/w", store=store.url, die=True)
    assert workshop.wait(dying) == -signal.SIGKILL
    first = store.commit_view("raw/w@main")
    target = Target(store, "raw/w")
    feed = MessageFeed(MqttSource(mqtt, name, [f"{name}/+"]), "weather", expected=1)
    landing = IdentifiedLanding(WEATHER, event_time="time_hour", window="month", dataset="raw/w@main")
    landed = Sink(feed, landing, target).run()

    ids = store.commit_view("raw/w@main").table()["message_id"].to_pylist()
    assert first.table().num_rows == landed.counts.known  # at least once on the wire
    assert sorted(message.message_id for message in observations(["2013-01"])) == sorted(ids)  # once in the dataset


def publish(mqtt: ResolvedConnection, prefix: str) -> None:
    """January's weather below a topic of our own."""
    client = client_for(mqtt, "")
    client.connect(mqtt.text("host"), int(mqtt["port"]))
    client.loop_start()
    for message in observations(["2013-01"]):
        properties = Properties(PacketTypes.PUBLISH)
        properties.UserProperty = [("message-id", message.message_id)]
        sent = client.publish(f"{prefix}/{message.station}", message.payload, 1, properties=properties)
    sent.wait_for_publish(60)
    client.disconnect()
    client.loop_stop()
