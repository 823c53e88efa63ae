"""The sink is killed by SIGKILL at random instants, again and again on one store, until all is landed."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from faults.bench import Bench, Case, Log, Trial, must_work, sizes
from faults.landing import REF, Place, land, open_place
from faults.rows import Row
from faults.striking import COUNTS, cases, strike
from faults.topics import check_landed, draw_topic
from faults.workshop import Workshop

from datamill_pipelines.datasets.store import DatasetStore

pytestmark = pytest.mark.timeout(2_400)


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


@sizes(5, 400)
def test_in_a_directory(bench: Bench, workshop: Workshop, tmp_path: Path, size: int) -> None:
    bench.run(Row.KILL_RANDOM, cases(bench.seed, size), trial(workshop, {"root": ""}, tmp_path), weight=10)


@pytest.mark.faults
def test_on_s3(bench: Bench, workshop: Workshop, tmp_path: Path, s3_place: Place) -> None:
    bench.run(Row.KILL_RANDOM, cases(bench.seed, 60), trial(workshop, s3_place, tmp_path), weight=10)


@pytest.mark.control
def test_a_sink_that_acknowledges_before_it_commits_is_caught(bench: Bench, workshop: Workshop, tmp_path: Path) -> None:
    broken = trial(workshop, {"root": ""}, tmp_path, "hasty")
    bench.control(Row.KILL_RANDOM, "a sink that acknowledges before it commits", cases(bench.seed, 400), broken)
