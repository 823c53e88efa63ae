"""``datamill run sink`` on real brokers: bounded, following, told to stop, sharing, adopting, blocked."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from embedded.room import HOLDER, Platform

from datamill_infra.capabilities.kafka import client_options
from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment
from datamill_pipelines.datasets import open_store
from datamill_pipelines.ingestion.weather_publisher import (
    CLIENT_ID,
    TOPICS,
    AmqpOutlet,
    MqttOutlet,
    WeatherPublisher,
    observations,
)
from datamill_pipelines.stream.identified import ID
from datamill_pipelines.stream.mqtt_source import ensure_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datamill_infra.drivers.passes import Outcome
    from datamill_infra.model.connections import ResolvedConnection

pytestmark = pytest.mark.timeout(900)

DATAMILL = [sys.executable, "-c", "from datamill_infra.cli import main; main()"]
SECONDS = 240
COMPONENTS = {"kafka": "kafka", "mqtt": "artemis", "amqp": "artemis"}
PARTITIONS = 4
TOPIC = "flights"
numbers = count()


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Kafka and Artemis for this module alone: the sinks' topics and sessions are those of the example."""
    home = tmp_path_factory.mktemp("brokers") / ".datamill"
    (home / "flavours").mkdir(parents=True)
    (home / "flavours" / "brokers.yaml").write_text(
        "title: Brokers\nsummary: No datasets.\ncomponents: [kafka, artemis]\n", encoding="utf-8"
    )
    deployment = Deployment.write_default(home, "brokers")
    try:
        yield Platform(home, succeeded(deployment))
    finally:
        with writer_lock(deployment, HOLDER):
            Rollout(deployment).down(delete_data=True)


def succeeded(deployment: Deployment) -> dict[str, Outcome]:
    """Bring a deployment up; how that ended."""
    with writer_lock(deployment, HOLDER):
        outcomes = Rollout(deployment).up()
    failed = [f"{name}: {outcome.message}" for name, outcome in outcomes.items() if not outcome.succeeded]
    assert not failed, "\n".join(failed)
    return outcomes


@pytest.fixture
def kafka(brokers: Platform) -> Iterator[ResolvedConnection]:
    """The broker with a new topic ``flights``."""
    connection = brokers.connection("kafka")
    create(connection)
    yield connection
    delete(connection)


@pytest.fixture
def home(brokers: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployment of its own, on these brokers and a store in a directory."""
    home = tmp_path / ".datamill"
    (home / "flavours").mkdir(parents=True)
    (home / "flavours" / "landing.yaml").write_text(
        "title: Landing\nsummary: Brokers of someone else.\ncomponents: [kafka, artemis, datasets]\n", encoding="utf-8"
    )
    chosen: dict[str, Any] = {"datasets": {"provider": "external", "connection": {"datasets": {"url": store(home)}}}}
    for capability, component in COMPONENTS.items():
        found = brokers.connection(capability)
        choice = chosen.setdefault(component, {"provider": "external", "connection": {}, "secrets": {}})
        fields = {name: value for name, value in found.values.items() if name not in found.secret_fields}
        choice["connection"][capability] = fields
        for secret in found.secret_fields:
            variable = f"TEST_{component}_{secret}".upper()
            monkeypatch.setenv(variable, found.text(secret))
            choice["secrets"][secret] = {"env": variable}
    (home / "deployment.yaml").write_text(
        yaml.safe_dump({"flavour": "landing", "components": chosen}), encoding="utf-8"
    )
    succeeded(Deployment.load(home))
    return home


def store(home: Path) -> str:
    return (home.parent / "store").as_uri()


def create(connection: ResolvedConnection) -> None:
    admin = AdminClient(client_options(connection))
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result()
    while TOPIC not in admin.list_topics(timeout=10).topics:
        time.sleep(0.05)


def delete(connection: ResolvedConnection) -> None:
    admin = AdminClient(client_options(connection))
    admin.delete_topics([TOPIC])[TOPIC].result()
    while TOPIC in admin.list_topics(timeout=10).topics:
        time.sleep(0.05)


def flight(number: int) -> bytes:
    text = {"carrier": "UA", "origin": "JFK", "dest": "SFO", "time_hour": "2013-01-01T05:00:00Z"}
    names = ("sched_dep_time", "sched_arr_time", "distance", "hour", "minute")
    facts = {"year": 2013, "month": 1, "day": 1, "flight": number, **dict.fromkeys(names, 1), **text}
    return json.dumps(facts).encode()


def send(connection: ResolvedConnection, how_many: int) -> list[int]:
    """Send flights with numbers of their own; the numbers."""
    sent = [next(numbers) for _ in range(how_many)]
    producer = Producer(client_options(connection))
    for number in sent:
        producer.produce(TOPIC, flight(number), partition=number % PARTITIONS)
        producer.poll(0)
    assert producer.flush(60) == 0
    return sent


def environment(home: Path) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"} | {"DATAMILL_HOME": str(home)}


def sink(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DATAMILL, "run", "sink", *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=environment(home),
        check=False,
    )


def events(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def landed(home: Path) -> list[int]:
    with open_store(store(home)) as opened:
        return sorted(opened.commit_view("raw/flights@main").table(columns=["flight"])["flight"].to_pylist())


class Follower:
    """A ``run sink --follow`` in a process of its own."""

    def __init__(self, home: Path, errors: Path) -> None:
        self._errors = errors
        line = [*DATAMILL, "run", "sink", "raw/flights", "--follow", "--interval", "0.5", "--json"]
        with errors.open("w") as stderr:
            self.process = subprocess.Popen(
                line, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment(home)
            )

    def next(self) -> dict[str, Any]:
        """The next line that it prints."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self._errors.read_text(encoding="utf-8")
        return dict(json.loads(line))

    def take(self, rows: int) -> None:
        """Return when it has committed so many rows."""
        while rows > 0:
            event = self.next()
            rows -= event["rows"] if event["event"] == "commit" else 0

    def stop(self, number: int) -> dict[str, Any]:
        """Tell it to stop; its last line."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=SECONDS)
        assert self.process.returncode == 0, self._errors.read_text(encoding="utf-8")
        return events(rest)[-1]


@pytest.fixture
def followers(home: Path, tmp_path: Path) -> Iterator[list[Follower]]:
    """Two of them; both are ended with the test."""
    running = [Follower(home, tmp_path / f"errors-{number}") for number in range(2)]
    yield running
    for one in running:
        with contextlib.suppress(ProcessLookupError):
            one.process.kill()
        one.process.communicate()


def test_a_bounded_sink_lands_what_is_there_and_says_a_line_per_commit(home: Path, kafka: ResolvedConnection) -> None:
    sent = send(kafka, 3_000)
    producer = Producer(client_options(kafka))
    producer.produce(TOPIC, b"not JSON", partition=0)
    producer.flush(60)

    first = sink(home, "raw/flights", "--json")
    assert first.returncode == 0, first.stderr
    began, *commits, end = events(first.stdout)
    assert ("began", "kafka") == (began["event"], began["through"])
    assert {"commit"} == {one["event"] for one in commits}
    assert (3_000, 1, False) == (end["rows"], end["dead_letters"], end["stopped"])
    assert 3_001 == sum(end for key, end in commits[-1]["positions"].items() if key.startswith("kafka/"))
    assert sent == landed(home)

    again = sink(home, "raw/flights")
    assert again.returncode == 0, again.stderr
    assert "0 rows and 0 bad messages in 0 commits" in again.stdout


def test_bad_messages_can_stop_it(home: Path, kafka: ResolvedConnection) -> None:
    producer = Producer(client_options(kafka))
    producer.produce(TOPIC, b"not JSON", partition=0)
    producer.flush(60)
    stopped = sink(home, "raw/flights", "--bad-messages", "stop")
    assert stopped.returncode == 1
    assert "flights/0 at offset 0" in stopped.stderr
    assert "--bad-messages keep" in stopped.stderr


def test_a_follower_that_is_told_to_stop_commits_and_the_next_continues(
    home: Path, kafka: ResolvedConnection, tmp_path: Path
) -> None:
    sent = send(kafka, 500)
    one = Follower(home, tmp_path / "errors")
    try:
        one.take(500)
        sent += send(kafka, 500)
        end = one.stop(signal.SIGTERM)
    finally:
        one.process.kill()
    assert end["stopped"]
    assert end["rows"] == len(landed(home)) >= 500
    assert sink(home, "raw/flights").returncode == 0
    assert sent == landed(home)


def test_two_followers_share_the_topic(home: Path, kafka: ResolvedConnection, followers: list[Follower]) -> None:
    sent: list[int] = []
    began = [one.next()["event"] for one in followers]
    assert ["began", "began"] == began
    deadline = time.monotonic() + SECONDS
    # Until both have partitions and have landed something of them.
    while len(shares(home)) < len(followers):
        assert time.monotonic() < deadline, shares(home)
        sent += send(kafka, 200)
        time.sleep(0.5)
    ends = [one.stop(signal.SIGINT) for one in followers]
    assert all(end["rows"] > 0 for end in ends), ends
    assert sink(home, "raw/flights").returncode == 0
    assert sent == landed(home)


def shares(home: Path) -> Counter[str]:
    """Commits by who made them."""
    with open_store(store(home)) as opened:
        if "raw/flights" not in opened.repos() or not opened.repo("raw/flights").branches.get("main"):
            return Counter()
        return Counter(commit.run_id for commit in opened.repo("raw/flights").log("main"))


def test_a_recreated_topic_stops_it_with_the_command_that_adopts_it(home: Path, kafka: ResolvedConnection) -> None:
    sent = send(kafka, 100)
    assert sink(home, "raw/flights").returncode == 0
    delete(kafka)
    create(kafka)
    sent += send(kafka, 50)

    refused = sink(home, "raw/flights")
    assert refused.returncode == 1
    assert "deleted and created again" in refused.stderr
    assert "`datamill run sink raw/flights --adopt`" in refused.stderr
    assert sent[:100] == landed(home)

    adopted = sink(home, "raw/flights", "--adopt")
    assert adopted.returncode == 0, adopted.stderr
    assert sent == landed(home)


def test_it_is_blocked_when_the_broker_is_away(home: Path, kafka: ResolvedConnection) -> None:
    del kafka
    deployment = Deployment.load(home)
    connections = json.loads(deployment.connections_file.read_text(encoding="utf-8"))
    # A port of which it is certain that nothing listens there.
    connections["kafka"]["fields"]["bootstrap_servers"] = "127.0.0.1:1"
    deployment.connections_file.write_text(json.dumps(connections), encoding="utf-8")

    blocked = sink(home, "raw/flights", "--follow")
    assert blocked.returncode == 3
    assert "Blocked by kafka" in blocked.stderr
    assert "repair: datamill up -c kafka" in blocked.stderr
    assert "nothing was landed" in blocked.stderr
    assert "Then:   datamill run sink raw/flights --follow" in blocked.stderr


def test_observations_come_through_either_protocol_and_only_once(home: Path, brokers: Platform) -> None:
    expected = sorted(each.message_id for each in observations(["2013-01"]))
    ensure_session(brokers.connection("mqtt"), CLIENT_ID, [TOPICS])
    WeatherPublisher(MqttOutlet(brokers.connection("mqtt"))).run(["2013-01"])
    WeatherPublisher(AmqpOutlet(brokers.connection("amqp"))).run(["2013-01"])

    assert {"rows": len(expected), "known": 0} == taken(home, "mqtt", len(expected))
    assert {"rows": 0, "known": len(expected)} == taken(home, "amqp", len(expected))
    with open_store(store(home)) as opened:
        assert expected == sorted(opened.commit_view("raw/weather@main").table(columns=[ID])[ID].to_pylist())


def taken(home: Path, via: str, messages: int) -> dict[str, int]:
    """Run the sink until it has taken so many messages: a broker without positions cannot say that it has no more."""
    total = Counter(rows=0, known=0)
    deadline = time.monotonic() + SECONDS
    while total.total() < messages:
        assert time.monotonic() < deadline, total
        run = sink(home, "raw/weather", "--via", via, "--json")
        assert run.returncode == 0, run.stderr
        end = events(run.stdout)[-1]
        total.update(rows=end["rows"], known=end["known"])
    return dict(total)
