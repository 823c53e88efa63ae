"""Transactions that are aborted lie between those that are committed: nothing of them lands."""

from __future__ import annotations

import random
import secrets
from pathlib import Path

import pytest
from confluent_kafka import Producer
from faults.bench import Bench, Case, Log, Trial, expect, must_work, sizes
from faults.kafka_topics import Topic, land_topic
from faults.landing import REF
from faults.rows import Row
from faults.soundness import check_sound
from faults.topics import check_landed

from datamill_infra.capabilities.kafka import client_options
from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.datasets import DatasetStore, open_store
from datamill_pipelines.stream import kafka_source

pytestmark = pytest.mark.timeout(1_200)
PARTITIONS = 3


def trial(kafka: ResolvedConnection, folder: Path) -> Trial:
    def try_one(case: Case, log: Log) -> None:
        topic = Topic(kafka, f"aborted-{secrets.token_hex(4)}", PARTITIONS)
        store = open_store((folder / topic.name).as_uri())
        chance = random.Random(case["seed"])
        producer = Producer(client_options(kafka) | {"transactional.id": topic.name, "linger.ms": 5})
        producer.init_transactions(60)
        sent = aborted = 0
        while sent < case["messages"]:
            count, abort = chance.randrange(1, 800), chance.random() < 0.5
            producer.begin_transaction()
            for number in range(sent, sent + count):
                value = b'{"n":%d,"s":"%s"}' % (number, b"aborted" if abort else b"kept")
                producer.produce(topic.name, value, partition=number % PARTITIONS)
                if not abort:
                    topic.sent[number % PARTITIONS].append(value)
            sent, aborted = sent + count, aborted + count * abort
            if abort:
                producer.flush(60)
                producer.abort_transaction(60)
            else:
                producer.commit_transaction(60)
            if chance.random() < 0.05:
                with must_work("landing meanwhile"):
                    land_topic(kafka, topic.name, store)
        log("sent", messages=sent, aborted=aborted)
        with must_work("landing"):
            land_topic(kafka, topic.name, store)
        expect(topic.read() == topic.sent, "the broker itself does not tell aborted from committed")
        check_landed(DatasetStore(store.objects).commit_view(REF), topic.sent)
        check_sound(store.objects)
        with must_work("landing when there is nothing more"):
            expect(not land_topic(kafka, topic.name, store).commits, "a second run commits")

    return try_one


@sizes(5_000, 100_000)
def test_they_never_land(bench: Bench, kafka: ResolvedConnection, tmp_path: Path, size: int) -> None:
    cases = [{"seed": bench.seed, "messages": size}]
    bench.run(Row.ABORTED, cases, trial(kafka, tmp_path), weight=size)


@pytest.mark.control
def test_a_sink_that_reads_what_is_not_committed_is_caught(
    bench: Bench, kafka: ResolvedConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = kafka_source.Consumer

    def uncommitted(options: dict[str, object], **named: object) -> object:
        return consumer({**options, "isolation.level": "read_uncommitted"}, **named)

    monkeypatch.setattr(kafka_source, "Consumer", uncommitted)
    cases = [{"seed": bench.seed, "messages": 3_000}]
    bench.control(Row.ABORTED, "a sink that reads what is not committed", cases, trial(kafka, tmp_path))
