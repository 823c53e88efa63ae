"""Real topics for the bench: made, filled, deleted, shortened, and read back by a plain consumer."""

from __future__ import annotations

import time
from collections.abc import Iterable

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from faults.bench import Violation
from faults.landing import REF, make_sink
from faults.topics import Partitions

from datamill_infra.capabilities.kafka import client_options
from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.stream.kafka_client import describe_topic
from datamill_pipelines.stream.kafka_feed import KafkaFeed
from datamill_pipelines.stream.sink import Landed

WAIT_SECONDS = 120.0


class Topic:
    """One topic, and all that was ever sent to it.

    Args:
        kafka: the broker.
        name: of the topic; it is made.
        partitions: how many.
    """

    def __init__(self, kafka: ResolvedConnection, name: str, partitions: int = 3) -> None:
        self.kafka, self.name = kafka, name
        self._admin = AdminClient(client_options(kafka))
        self.sent: list[list[bytes | None]] = [[] for _ in range(partitions)]
        self.create()

    def create(self) -> None:
        new = NewTopic(self.name, len(self.sent), 1)
        self._admin.create_topics([new])[self.name].result()
        self._wait(there=True)

    def recreate(self) -> None:
        self._admin.delete_topics([self.name])[self.name].result()
        self._wait(there=False)
        self.create()

    def send(self, values: Partitions) -> None:
        """Send to each partition, acknowledged."""
        producer = Producer(client_options(self.kafka) | {"enable.idempotence": True})
        for number, more in enumerate(values):
            for value in more:
                producer.produce(self.name, value, partition=number)
                producer.poll(0)
            self.sent[number] += more
        if producer.flush(WAIT_SECONDS):
            raise RuntimeError("the broker took not all that was sent")

    def delete_before(self, partition: int, offset: int) -> None:
        """As retention does."""
        for future in self._admin.delete_records([TopicPartition(self.name, partition, offset)]).values():
            future.result()

    def delete_group(self, group: str) -> None:
        self._admin.delete_consumer_groups([group])[group].result()

    def read(self) -> list[list[bytes | None]]:
        """All records of finished transactions, by a consumer that knows nothing of sinks."""
        ends = describe_topic(self.kafka, self.name).latest
        consumer = Consumer(
            client_options(self.kafka)
            | {"group.id": "bench", "isolation.level": "read_committed", "auto.offset.reset": "earliest"}
            | {"enable.partition.eof": True, "enable.auto.commit": False}
        )
        found: list[list[bytes | None]] = [[] for _ in self.sent]
        consumer.assign([TopicPartition(self.name, each, 0) for each in range(len(self.sent))])
        open_ends = {each for each, end in ends.items() if end}
        deadline = time.monotonic() + WAIT_SECONDS
        while open_ends:
            for message in consumer.consume(10_000, 1.0):
                if message.error() is None:
                    found[message.partition()].append(message.value())
                elif message.offset() >= ends[message.partition()]:
                    open_ends.discard(message.partition())
            if time.monotonic() > deadline:
                raise Violation(f"the topic could not be read back: {open_ends} are open")
        consumer.close()
        return found

    def _wait(self, *, there: bool) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while (self.name in self._admin.list_topics(timeout=10).topics) is not there:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} is {'not ' if there else ''}there")
            time.sleep(0.02)


def land_topic(kafka: ResolvedConnection, topic: str, store: DatasetStore, *, adopt: bool = False) -> Landed:
    """What the product does, undisturbed."""
    return make_sink(store, KafkaFeed(kafka, topic, REF, adopt=adopt)).run()


def numbered(first: int, count: int, partitions: int = 3) -> list[list[bytes | None]]:
    """Good messages with numbers of their own, by partition."""
    values: Iterable[int] = range(first, first + count)
    return [[b'{"n":%d,"s":"x"}' % each for each in values if each % partitions == at] for at in range(partitions)]
