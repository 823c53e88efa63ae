"""The servers of the sink benchmarks: Kafka and an S3 server of the embedded platform, in a deployment of their own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.events import messages
from datamill_infra.capabilities.kafka import client_options
from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.published import published_connection
from datamill_pipelines.stream.errors import UnknownTopicError
from datamill_pipelines.stream.kafka_client import describe_topic

if TYPE_CHECKING:
    from pathlib import Path

    from datamill_infra.model.connections import ResolvedConnection

COMPONENTS = ("kafka", "s3proxy", "datasets")
PARTITIONS = 4
HOLDER = "the benchmarks"


@dataclass(frozen=True)
class Servers:
    """Where they are.

    Attributes:
        kafka: the broker.
        datasets: an S3 bucket, with the credentials.
    """

    kafka: ResolvedConnection
    datasets: ResolvedConnection

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.datasets.text("url").removeprefix("s3://")

    def environment(self) -> dict[str, str]:
        """What the sinks' scripts are told; the same for all."""
        return {
            "BENCH_BOOTSTRAP": self.kafka.text("bootstrap_servers"),
            "BENCH_SECURITY_PROTOCOL": self.kafka.text("security_protocol"),
            "BENCH_SASL_MECHANISM": self.kafka.text("sasl_mechanism"),
            "BENCH_USERNAME": self.kafka.text("username"),
            "BENCH_PASSWORD": self.kafka.text("password"),
            "BENCH_S3_ENDPOINT": self.datasets.text("endpoint"),
            "BENCH_ACCESS_KEY": self.datasets.text("access_key"),
            "BENCH_SECRET_KEY": self.datasets.text("secret_key"),
            "BENCH_BUCKET": self.bucket,
        }

    def size(self, topic: str) -> int:
        """Messages in a topic; 0 when there is none."""
        try:
            facts = describe_topic(self.kafka, topic)
        except UnknownTopicError:
            return 0
        return sum(facts.latest.values()) - sum(facts.earliest.values())

    def fill(self, topic: str, count: int) -> int:
        """Make a topic of ``count`` messages; their bytes together."""
        admin = AdminClient(client_options(self.kafka))
        admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(30)
        producer = Producer(
            client_options(self.kafka) | {"linger.ms": 20, "queue.buffering.max.messages": 200_000, "acks": "1"}
        )
        size = 0
        for number, value in enumerate(messages(count)):
            while True:
                try:
                    producer.produce(topic, value, partition=number % PARTITIONS)
                    break
                except BufferError:
                    producer.poll(0.1)
            size += len(value)
        if producer.flush(120):
            raise TimeoutError(f"{topic} could not be filled")
        return size


class Platform:
    """Brings the servers up in a directory, and takes them down with what they hold.

    Args:
        home: of the deployment; must not exist.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._servers: Servers | None = None

    def servers(self) -> Servers:
        """The running servers."""
        if self._servers is None:
            deployment = Deployment.write_default(self._home, "streaming")
            with writer_lock(deployment, HOLDER):
                outcomes = Rollout(deployment).up(COMPONENTS)
            failed = [f"{name}: {each.message}" for name, each in outcomes.items() if not each.succeeded]
            if failed:
                raise RuntimeError("\n".join(failed))
            self._servers = Servers(
                published_connection(deployment, "kafka"), published_connection(deployment, "datasets")
            )
        return self._servers

    def close(self) -> None:
        """Take them down."""
        if self._home.exists():
            deployment = Deployment.load(self._home)
            with writer_lock(deployment, HOLDER):
                Rollout(deployment).down(delete_data=True)
            shutil.rmtree(self._home, ignore_errors=True)
