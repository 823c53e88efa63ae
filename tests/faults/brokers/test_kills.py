"""The sink of a real topic is killed by SIGKILL at random instants, and at each call to the client library."""

from __future__ import annotations

import json
import secrets
import signal
from pathlib import Path

import pytest
from faults.bench import Bench, Case, Log, expect, must_work, sizes
from faults.kafka_topics import Topic
from faults.landing import REF, Place, open_place
from faults.rows import Row
from faults.soundness import check_sound
from faults.striking import COUNTS, LONGEST, cases, strike
from faults.topics import check_landed, draw_topic
from faults.workshop import Workshop

from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.datasets.store import DatasetStore

pytestmark = pytest.mark.timeout(2_400)


@pytest.mark.faults
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


@sizes(1, 1_000)
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
