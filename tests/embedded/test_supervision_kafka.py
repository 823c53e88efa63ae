"""A real broker under the real supervisor: what is acknowledged survives every kind of death."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from datamill_infra.drivers.embedded.artifacts import cache_root
from datamill_infra.drivers.embedded.driver import EmbeddedDriver
from datamill_infra.drivers.inspection import inspect
from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import UnhealthyError
from datamill_infra.model.published import published_connection

FLAVOUR = "title: Log\nsummary: Kafka alone.\ncomponents: [kafka]\n"
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@dataclass
class Log:
    """A deployment with a broker in it."""

    home: Path

    @property
    def rollout(self) -> Rollout:
        return Rollout(Deployment.load(self.home))

    @property
    def driver(self) -> EmbeddedDriver:
        driver = self.rollout.drivers["embedded"]
        assert isinstance(driver, EmbeddedDriver)
        return driver

    def up(self) -> str:
        rollout = self.rollout
        with writer_lock(rollout.deployment, "a test"):
            outcome = rollout.up()["kafka"]
        assert outcome.succeeded, outcome.message
        return outcome.status

    def down(self, *, delete_data: bool = False) -> None:
        rollout = self.rollout
        with writer_lock(rollout.deployment, "a test"):
            assert rollout.down(delete_data=delete_data)["kafka"].succeeded

    def pid(self) -> int:
        return next((process.pid for process in self.driver.supervisor.processes()), 0)

    def settings(self, **more: object) -> dict[str, object]:
        connection = published_connection(Deployment.load(self.home), "kafka")
        return {
            "bootstrap.servers": connection.text("bootstrap_servers"),
            "security.protocol": connection.text("security_protocol"),
            "sasl.mechanism": connection.text("sasl_mechanism"),
            "sasl.username": connection.text("username"),
            "sasl.password": connection.text("password"),
            "log_level": 0,
            **more,
        }

    def cluster_id(self) -> str:
        return str(AdminClient(self.settings()).list_topics(timeout=30).cluster_id)

    def append(self, topic: str, *values: str) -> None:
        """Return when the broker has acknowledged all of them."""
        admin = AdminClient(self.settings())
        if topic not in admin.list_topics(timeout=30).topics:
            admin.create_topics([NewTopic(topic, num_partitions=1)])[topic].result(30)
        producer = Producer(self.settings(**{"enable.idempotence": True}))
        for value in values:
            producer.produce(topic, value)
        assert producer.flush(30) == 0

    def read(self, topic: str, count: int) -> list[str]:
        consumer = Consumer(self.settings(**{"group.id": "test", "enable.auto.commit": False}))
        consumer.assign([TopicPartition(topic, 0, 0)])
        try:
            messages = consumer.consume(count, timeout=30)
            return [message.value().decode() for message in messages]
        finally:
            consumer.close()

    def healthy_again(self) -> None:
        deadline = time.monotonic() + 120
        while True:
            try:
                self.driver.probe("kafka")
            except UnhealthyError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            else:
                return


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of its own to damage, with the user's artifacts in it."""
    artifacts = cache_root() / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    folder = tmp_path_factory.mktemp("cache")
    (folder / "artifacts").symlink_to(artifacts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAMILL_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Log]:
    assert cache.exists()
    home = tmp_path_factory.mktemp("log") / "home"
    (home / "flavours").mkdir(parents=True)
    (home / "flavours" / "log.yaml").write_text(FLAVOUR, encoding="utf-8")
    Deployment.write_default(home, "log")
    log = Log(home)
    log.up()
    yield log
    log.down(delete_data=True)


def test_a_second_up_leaves_the_broker_alone(log: Log) -> None:
    pid = log.pid()
    assert (log.up(), log.pid()) == ("unchanged", pid)


def test_a_killed_broker_is_back_with_every_acknowledged_message(log: Log) -> None:
    log.append("killed", "one", "two")
    pid = log.pid()
    os.kill(pid, signal.SIGKILL)
    log.healthy_again()
    assert log.pid() != pid
    log.append("killed", "three")
    assert log.read("killed", 3) == ["one", "two", "three"]
    assert "terminated by SIGKILL" in inspect(log.rollout)["kafka"].report.story


def test_a_killed_supervisor_takes_the_broker_with_it_and_the_next_up_brings_it_back(log: Log) -> None:
    log.append("orphaned", "one")
    cluster, broker = log.cluster_id(), log.pid()
    supervisor = log.driver.supervisor.pid()
    assert supervisor
    os.kill(supervisor, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while _runs(broker):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert log.up() == "changed"
    assert log.cluster_id() == cluster
    assert log.read("orphaned", 1) == ["one"]


def test_a_broker_keeps_its_data_when_its_ports_are_moved(log: Log) -> None:
    log.append("moved", "one")
    cluster, before = log.cluster_id(), log.settings()["bootstrap.servers"]
    log.down()
    ports = json.loads((log.home / "state" / "ports.json").read_text(encoding="utf-8"))
    (log.home / "state" / "ports.json").write_text(json.dumps({**ports, "kafka": {}}), encoding="utf-8")
    log.up()
    assert log.settings()["bootstrap.servers"] != before
    assert log.cluster_id() == cluster
    assert log.read("moved", 1) == ["one"]


def test_a_new_deployment_is_a_new_cluster_even_from_the_cached_format(log: Log) -> None:
    cluster = log.cluster_id()
    log.down(delete_data=True)
    log.up()
    assert log.cluster_id() != cluster


def test_a_damaged_cached_format_is_made_again(log: Log, cache: Path) -> None:
    (kept,) = (cache / "kafka").glob("*.checkpoint")
    damaged = kept.read_bytes()[:-1]
    kept.write_bytes(damaged)
    log.down(delete_data=True)
    log.up()
    (made,) = (cache / "kafka").glob("*.checkpoint")
    assert made.read_bytes() != damaged
    log.append("fresh", "one")
    assert log.read("fresh", 1) == ["one"]


def test_the_password_is_in_no_argument_and_in_no_log(log: Log) -> None:
    password = str(log.settings()["sasl.password"])
    assert password not in Path(f"/proc/{log.pid()}/cmdline").read_text(encoding="utf-8")
    assert not [file for file in (log.home / "log").iterdir() if password in file.read_text(encoding="utf-8")]


def test_wrong_credentials_are_refused(log: Log) -> None:
    with pytest.raises(Exception, match=r"timed out|Authentication|transport"):
        AdminClient(log.settings(**{"sasl.password": "wrong"})).list_topics(timeout=3)


def test_the_broker_listens_on_loopback_only(log: Log) -> None:

    listening = {c.laddr.ip for c in psutil.Process(log.pid()).net_connections("inet") if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
