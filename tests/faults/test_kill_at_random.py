"""The sink is killed by SIGKILL at random instants, again and again on one store, until all is landed."""

from __future__ import annotations

import json
import random
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults.bench import Bench, Case, Log, Trial, expect, must_work, sizes
from faults.kafka_topics import Topic
from faults.landing import REF, Place, land, open_place
from faults.rows import Row
from faults.soundness import check_sound
from faults.topics import check_landed, draw_topic
from faults.workshop import Workshop

from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.datasets.store import DatasetStore

pytestmark = pytest.mark.timeout(2_400)
COUNTS = [6_000, 3_000]
LONGEST = 0.5
"""Seconds until a kill; an undisturbed run takes about five times as long."""


def cases(seed: int, kills: int) -> Iterator[Case]:
    """Rounds of ten kills each."""
    return ({"seed": seed + number, "kills": min(10, kills)} for number in range(-(-kills // 10)))


def trial(workshop: Workshop, place: Place, folder: Path, broken: str = "") -> Trial:
    def try_one(case: Case, log: Log) -> None:
        arguments = {"seed": case["seed"], "counts": COUNTS, "trap": {}, "broken": broken, "pace": 0.005}
        topic = draw_topic(case["seed"], *COUNTS)

        def start(here: Place) -> int:
            return workshop.start("faults.landing:land_trapped", place=here, **arguments)

        def new_place() -> Place:
            name = secrets.token_hex(4)
            return {**place, "prefix": name} if "prefix" in place else {"root": str(folder / name)}

        def check(here: Place) -> None:
            with must_work("landing the rest"):
                if broken:
                    workshop.finish(start(here))
                else:
                    land(open_place(here), topic)
            check_landed(DatasetStore(open_place(here)).commit_view(REF), topic)

        strike(workshop, case, log, new_place, start, check)

    return try_one


def strike(
    workshop: Workshop,
    case: Case,
    log: Log,
    new_place: Callable[[], Place],
    start: Callable[[Place], int],
    check: Callable[[Place], None],
    longest: float = LONGEST,
) -> None:
    """Kill a sink until so many were struck at work; when one has landed all, check it and take a new store."""
    chance, struck, here = random.Random(case["seed"]), 0, new_place()
    while struck < case["kills"]:
        delay = chance.uniform(0, longest)
        process = start(here)
        time.sleep(delay)
        if workshop.kill(process):
            struck += 1
            log("SIGKILL", after=delay)
            check_sound(open_place(here))
        else:
            log("it was done before", after=delay)
            check(here)
            here = new_place()
    check(here)


@sizes(10, 400)
def test_in_a_directory(bench: Bench, workshop: Workshop, tmp_path: Path, size: int) -> None:
    bench.run(Row.KILL_RANDOM, cases(bench.seed, size), trial(workshop, {"root": ""}, tmp_path), weight=10)


@pytest.mark.faults
def test_on_s3(bench: Bench, workshop: Workshop, tmp_path: Path, s3_place: Place) -> None:
    bench.run(Row.KILL_RANDOM, cases(bench.seed, 60), trial(workshop, s3_place, tmp_path), weight=10)


@pytest.mark.control
def test_a_sink_that_acknowledges_before_it_commits_is_caught(bench: Bench, workshop: Workshop, tmp_path: Path) -> None:
    broken = trial(workshop, {"root": ""}, tmp_path, "hasty")
    bench.control(Row.KILL_RANDOM, "a sink that acknowledges before it commits", cases(bench.seed, 400), broken)


@pytest.mark.faults
@pytest.mark.xdist_group("brokers")
def test_of_a_real_topic(bench: Bench, workshop: Workshop, kafka: ResolvedConnection, tmp_path: Path) -> None:
    def try_one(case: Case, log: Log) -> None:
        topic = Topic(kafka, f"kills-{secrets.token_hex(4)}", 2)
        topic.send(draw_topic(case["seed"], *COUNTS))
        expect(topic.read() == topic.sent, "the broker itself lost or doubled what was sent")

        def start(here: Place) -> int:
            connection = dict(kafka.values)
            return workshop.start("faults.landing:land_kafka", connection=connection, topic=topic.name, place=here)

        def check(here: Place) -> None:
            with must_work("landing the rest"):
                workshop.finish(start(here))
            check_landed(DatasetStore(open_place(here)).commit_view(REF), topic.sent)

        def new_place() -> Place:
            return {"root": str(tmp_path / secrets.token_hex(4))}

        strike(workshop, case, log, new_place, start, check, 3 * LONGEST)

    bench.run(Row.KILL_RANDOM, cases(bench.seed, 40), try_one, weight=10)


@sizes(8, 1_000)
@pytest.mark.xdist_group("brokers")
def test_at_every_call_to_a_real_broker(
    bench: Bench, workshop: Workshop, kafka: ResolvedConnection, tmp_path: Path, size: int
) -> None:
    topic = Topic(kafka, f"calls-{secrets.token_hex(4)}", 2)
    topic.send(draw_topic(bench.seed, *COUNTS))

    def start(place: Place, told: str = "", **trap: object) -> int:
        arguments = {"connection": dict(kafka.values), "topic": topic.name, "place": place}
        return workshop.start("faults.landing:land_kafka", trap=trap, told=told, **arguments)

    def try_one(case: Case, log: Log) -> None:
        place = {"root": str(tmp_path / secrets.token_hex(4))}
        code = workshop.wait(start(place, door="broker", **case))
        log("the sink ended", code=code)
        expect(code in {-signal.SIGKILL, 0}, f"the sink was not killed but failed with {code}")
        check_sound(open_place(place))
        with must_work("landing again"):
            workshop.finish(start(place))
        check_landed(DatasetStore(open_place(place)).commit_view(REF), topic.sent)

    told = tmp_path / "told"
    workshop.finish(start({"root": str(tmp_path / "counted")}, str(told)))
    calls = json.loads(told.read_text(encoding="utf-8"))["passed"]["broker"]
    every = [{"at": at, "after": after} for at in range(calls) for after in (False, True)]
    bench.run(Row.KILL_INDEX, every[:: max(len(every) // size, 1)], try_one)
