"""From MQTT topics and AMQP queues into commits: exactly once by message id, at least once without."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from datamill_infra.model.errors import LockedError
from datamill_pipelines.datasets import DatasetStore, open_store
from datamill_pipelines.ingestion import weather_publisher
from datamill_pipelines.ingestion.contents import WEATHER
from datamill_pipelines.ingestion.weather_publisher import AmqpOutlet, MqttOutlet, WeatherPublisher, observations
from datamill_pipelines.stream import mqtt_source
from datamill_pipelines.stream.amqp_source import AmqpSource
from datamill_pipelines.stream.feeds import MessageFeed
from datamill_pipelines.stream.identified import IdentifiedLanding
from datamill_pipelines.stream.mqtt_source import MqttSource, client_for, ensure_session
from datamill_pipelines.stream.sink import Landed, Sink, Target

if TYPE_CHECKING:
    from pathlib import Path

    from embedded.room import Platform

    from datamill_infra.model.connections import ResolvedConnection
    from datamill_pipelines.stream.messages import MessageSource

pytestmark = pytest.mark.timeout(600)
REPO = "raw/weather"
JANUARY = 2_226


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    return open_store((tmp_path / "store").as_uri())


@pytest.fixture
def session() -> str:
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
def mqtt(platform: Platform, session: str) -> ResolvedConnection:
    """The broker, with a session that keeps what is published from now on."""
    connection = platform.connection("mqtt")
    ensure_session(connection, session, ["weather/+"])
    return connection


@pytest.fixture
def amqp(platform: Platform, monkeypatch: pytest.MonkeyPatch, session: str) -> ResolvedConnection:
    """The broker, with a queue of our own."""
    monkeypatch.setattr(weather_publisher, "QUEUE", session)
    return platform.connection("amqp")


def land(source: MessageSource, store: DatasetStore, *, expected: int, repo: str = REPO) -> Landed:
    landing = IdentifiedLanding(WEATHER, event_time="time_hour", window="month", dataset=f"{repo}@main")
    return Sink(MessageFeed(source, "weather", expected=expected), landing, Target(store, repo)).run()


def landed_ids(store: DatasetStore, repo: str = REPO) -> list[str]:
    return sorted(store.commit_view(f"{repo}@main").table()["message_id"].to_pylist())


def published_ids() -> list[str]:
    return sorted(message.message_id for message in observations(["2013-01"]))


def test_what_is_published_twice_is_landed_once(mqtt: ResolvedConnection, session: str, store: DatasetStore) -> None:
    for _ in range(2):
        WeatherPublisher(MqttOutlet(mqtt)).run(["2013-01"])

    landed = land(MqttSource(mqtt, session, ["weather/+"]), store, expected=2 * JANUARY)

    assert (JANUARY, JANUARY) == (landed.counts.rows, landed.counts.known)
    assert published_ids() == landed_ids(store)
    WeatherPublisher(MqttOutlet(mqtt)).run(["2013-01"])
    assert [] == land(MqttSource(mqtt, session, ["weather/+"]), store, expected=JANUARY).commits


def test_both_protocols_make_the_same_dataset(
    mqtt: ResolvedConnection, amqp: ResolvedConnection, session: str, store: DatasetStore
) -> None:
    WeatherPublisher(MqttOutlet(mqtt)).run(["2013-01"])
    WeatherPublisher(AmqpOutlet(amqp)).run(["2013-01"])

    land(MqttSource(mqtt, session, ["weather/+"]), store, expected=JANUARY, repo="by/mqtt")
    land(AmqpSource(amqp, session), store, expected=JANUARY, repo="by/amqp")

    assert store.commit_view("by/mqtt@main").tree_digest == store.commit_view("by/amqp@main").tree_digest
    assert published_ids() == landed_ids(store, "by/amqp")


def test_what_is_not_acknowledged_comes_again_over_amqp(
    amqp: ResolvedConnection, session: str, store: DatasetStore
) -> None:
    WeatherPublisher(AmqpOutlet(amqp)).run(["2013-01"])
    taker = AmqpSource(amqp, session)
    taker.open()
    assert sum(map(len, taker.poll(5.0))) > 0
    taker.close()

    land(AmqpSource(amqp, session), store, expected=JANUARY)

    assert published_ids() == landed_ids(store)


@pytest.mark.parametrize("protocol", ["mqtt", "amqp"])
def test_a_broker_sends_no_more_than_the_limit_before_acknowledgements(
    mqtt: ResolvedConnection, amqp: ResolvedConnection, session: str, protocol: str
) -> None:
    source: MessageSource
    if protocol == "mqtt":
        WeatherPublisher(MqttOutlet(mqtt)).run(["2013-01"])
        source = MqttSource(mqtt, session, ["weather/+"], most=50)
    else:
        WeatherPublisher(AmqpOutlet(amqp)).run(["2013-01"])
        source = AmqpSource(amqp, session, most=50)
    source.open()
    try:
        assert 50 == taken(source)
        source.acknowledge()
        assert 50 == taken(source)
    finally:
        source.close()


def taken(source: MessageSource) -> int:
    """Everything that comes until nothing has come for half a second."""
    total, last = 0, -1
    while last != total:
        last = total
        total += sum(len(records) for records in source.poll(0.5))
    return total


def test_messages_that_a_killed_broker_had_are_landed(
    platform: Platform, mqtt: ResolvedConnection, session: str, store: DatasetStore
) -> None:
    WeatherPublisher(MqttOutlet(mqtt)).run(["2013-01"])
    platform.kill("artemis")
    platform.wait_healthy("artemis")

    land(MqttSource(mqtt, session, ["weather/+"]), store, expected=JANUARY)

    assert published_ids() == landed_ids(store)


def test_messages_without_ids_and_bad_ones_are_landed_too(
    mqtt: ResolvedConnection, session: str, store: DatasetStore
) -> None:
    client = client_for(mqtt, "")
    client.connect(mqtt.text("host"), int(mqtt["port"]))
    client.loop_start()
    good = observations(["2013-01"])[0].payload
    named = Properties(PacketTypes.PUBLISH)
    named.UserProperty = [("message-id", "bad-1")]
    client.publish("weather/EWR", good, 1)
    client.publish("weather/EWR", good, 1)
    client.publish("weather/JFK", b"\xff garbage", 1, properties=named).wait_for_publish(30)
    client.disconnect()
    client.loop_stop()

    landed = land(MqttSource(mqtt, session, ["weather/+"]), store, expected=3)

    letters = store.commit_view(f"{REPO}@main").table("_dead_letters/").to_pylist()
    assert (2, 1) == (landed.counts.rows, landed.counts.dead_letters)
    assert [None, None] == store.commit_view(f"{REPO}@main").table()["message_id"].to_pylist()
    assert [("weather/JFK", "bad-1", b"\xff garbage")] == [
        (letter["place"], letter["message_id"], letter["value"]) for letter in letters
    ]


def test_a_session_has_one_user_at_a_time(
    mqtt: ResolvedConnection, session: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_source, "OWNER_SECONDS", 0.1)
    lock = tmp_path / "session.lock"
    first = MqttSource(mqtt, session, ["weather/+"], owner=FileLock(lock))
    first.open()
    try:
        with pytest.raises(LockedError, match="Another sink has used the MQTT session"):
            MqttSource(mqtt, session, ["weather/+"], owner=FileLock(lock)).open()
        # Whoever publishes leaves a session alone that is in use.
        ensure_session(mqtt, session, ["weather/+"], FileLock(lock))
        WeatherPublisher(MqttOutlet(mqtt)).run(["2013-01"])
        assert taken(first) == JANUARY
    finally:
        first.close()
    again = MqttSource(mqtt, session, ["weather/+"], owner=FileLock(lock))
    again.open()
    again.close()


def test_a_session_that_was_taken_over_is_given_up(mqtt: ResolvedConnection, session: str) -> None:
    """Two clients of one name would throw each other out for ever."""
    first, second = (MqttSource(mqtt, session, ["weather/+"]) for _ in range(2))
    first.open()
    second.open()
    try:
        with pytest.raises(Exception, match=f"gave the session '{session}' to another client"):
            taken(first)
    finally:
        first.close()
        second.close()
