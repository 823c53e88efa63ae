"""Members of a group join, leave, stand still and die, about every second, while a producer goes on sending."""

from __future__ import annotations

import os
import random
import secrets
import signal
import threading
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer
from faults.bench import Bench, Case, Log, expect, must_work
from faults.kafka_topics import Topic
from faults.landing import REF, Place, open_place
from faults.rows import Row
from faults.soundness import check_sound
from faults.topics import check_landed
from faults.workshop import Workshop

from datamill_infra.capabilities.kafka import client_options
from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.datasets.store import DatasetStore

pytestmark = pytest.mark.timeout(1_200)
PARTITIONS = 8
MOST_MEMBERS = 4


class Members:
    """Processes that follow a topic together.

    Args:
        workshop: forks them.
        chance: decides who is hit.
        arguments: of each.
        log: told what happens.
    """

    def __init__(self, workshop: Workshop, chance: random.Random, arguments: dict[str, object], log: Log) -> None:
        self._workshop, self._chance, self._arguments, self._log = workshop, chance, arguments, log
        self._running: list[int] = []
        self._paused: list[int] = []
        self._leaving: list[int] = []
        self.counts = dict.fromkeys(("join", "leave", "die", "pause", "resume"), 0)

    def disturb(self) -> None:
        """One thing happens to one member."""
        if self._paused and self._chance.random() < 0.6:
            self._resume()
            return
        able = ["leave", "die", "pause"] if self._running else []
        kind = self._chance.choice([*able, "join", "join"][: None if len(self._running) < MOST_MEMBERS else -2])
        if kind == "join":
            self._running.append(self._workshop.start("faults.landing:land_kafka", **self._arguments))
            self._note(kind, self._running[-1])
            return
        member = self._running.pop(self._chance.randrange(len(self._running)))
        self._note(kind, member)
        if kind == "leave":
            os.kill(member, signal.SIGTERM)
            self._leaving.append(member)
        elif kind == "die":
            self._workshop.kill(member)
        else:
            os.kill(member, signal.SIGSTOP)
            self._paused.append(member)

    def end(self) -> None:
        """Wake everybody, let them finish, and see that none of them failed."""
        while self._paused:
            self._resume()
        for member in self._running:
            os.kill(member, signal.SIGTERM)
        codes = [self._workshop.wait(member) for member in (*self._running, *self._leaving)]
        self._log("all have left", codes=codes)
        expect(set(codes) <= {0}, f"members ended with {codes}: {self._workshop.errors.read_text()[-2_000:]}")

    def _resume(self) -> None:
        member = self._paused.pop(0)
        self._note("resume", member)
        os.kill(member, signal.SIGCONT)
        self._running.append(member)

    def _note(self, kind: str, member: int) -> None:
        self.counts[kind] += 1
        self._log(kind, member=member)


def send(kafka: ResolvedConnection, topic: Topic, messages: int, seconds: float) -> None:
    """Send numbered messages, evenly over the time; each partition's are in order."""
    producer = Producer(client_options(kafka) | {"enable.idempotence": True, "linger.ms": 20})
    began = time.monotonic()
    for number in range(messages):
        value = b'{"n":%d,"s":"x"}' % number
        producer.produce(topic.name, value, partition=number % PARTITIONS)
        topic.sent[number % PARTITIONS].append(value)
        if number % 500 == 0:
            producer.poll(0)
            time.sleep(max(began + seconds * number / messages - time.monotonic(), 0))
    if producer.flush(120):
        raise RuntimeError("the broker took not all that was sent")


@pytest.mark.parametrize(
    ("seconds", "messages"),
    [pytest.param(8, 16_000, id="selection"), pytest.param(60, 200_000, id="full", marks=pytest.mark.faults)],
)
def test_none_lost_none_twice_in_order(
    bench: Bench, workshop: Workshop, kafka: ResolvedConnection, tmp_path: Path, seconds: int, messages: int
) -> None:
    def try_one(case: Case, log: Log) -> None:
        topic = Topic(kafka, f"churn-{secrets.token_hex(4)}", PARTITIONS)
        place: Place = {"root": str(tmp_path / topic.name)}
        arguments = {"connection": dict(kafka.values), "topic": topic.name, "place": place}
        sender = threading.Thread(target=send, args=(kafka, topic, messages, seconds))
        chance = random.Random(case["seed"])
        members = Members(workshop, chance, {**arguments, "follow": True}, log)
        sender.start()
        try:
            for _ in range(seconds):
                members.disturb()
                time.sleep(1)
        finally:
            sender.join()
            members.end()
        log("disturbed", **members.counts)
        with must_work("landing the rest"):
            workshop.finish(workshop.start("faults.landing:land_kafka", **arguments))
        expect(topic.read() == topic.sent, "the broker itself lost or doubled what was sent")
        check_landed(DatasetStore(open_place(place)).commit_view(REF), topic.sent)
        check_sound(open_place(place))

    bench.run(Row.CHURN, [{"seed": bench.seed}], try_one, weight=messages)


@pytest.mark.control
def test_members_that_commit_without_positions_are_caught(
    bench: Bench, workshop: Workshop, kafka: ResolvedConnection, tmp_path: Path
) -> None:
    """Two members that both think that all partitions are theirs, as after a pause, and that nothing fences."""

    def try_one(case: Case, log: Log) -> None:
        del case, log
        topic = Topic(kafka, f"churn-{secrets.token_hex(4)}", PARTITIONS)
        place: Place = {"root": str(tmp_path / topic.name)}
        send(kafka, topic, 4_000, 0)
        arguments = {"connection": dict(kafka.values), "topic": topic.name, "place": place, "unfenced": True}
        for _ in range(2):
            workshop.finish(workshop.start("faults.landing:land_kafka", **arguments))
        check_landed(DatasetStore(open_place(place)).commit_view(REF), topic.sent)

    bench.control(Row.CHURN, "members that nothing fences", [{}], try_one)
