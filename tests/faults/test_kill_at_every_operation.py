"""The sink is killed by SIGKILL before and after each operation of its doors, and started again."""

from __future__ import annotations

import json
import secrets
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.bench import Bench, Case, Log, expect, must_work, sizes
from faults.doors import DOORS
from faults.landing import REF, Place, land, open_place
from faults.rows import Row
from faults.soundness import check_sound
from faults.topics import check_landed, draw_topic
from faults.workshop import Workshop

from datamill_pipelines.datasets.store import DatasetStore

FIRST, SECOND = [90, 41], [170, 75]
"""Records by partition before the batch that is disturbed, and after it."""


class Kills:
    """Lands a second batch on a first one, kills, lands again, and compares."""

    def __init__(self, workshop: Workshop, folder: Path, origin: Place, broken: str = "") -> None:
        self._workshop, self._folder, self._origin, self._broken = workshop, folder, origin, broken
        self.killed = 0

    def place(self) -> Place:
        """A copy of a store that has the first batch."""
        name = secrets.token_hex(6)
        if "root" in self._origin:
            shutil.copytree(self._origin["root"], self._folder / name)
            return {"root": str(self._folder / name)}
        place = {**self._origin, "prefix": name}
        origin, copy = open_place(self._origin), open_place(place)
        for info in origin.scan(""):
            copy.put(info.key, origin.get(info.key))
        return place

    def operations(self, seed: int, door: str) -> int:
        """How many a door has when nothing is disturbed."""
        told = self._folder / f"told-{secrets.token_hex(4)}"
        self._workshop.finish(self._start(self.place(), seed, {"door": door}, str(told)))
        return int(json.loads(told.read_text(encoding="utf-8"))["passed"][door])

    def try_one(self, case: Case, log: Log) -> None:
        place, topic = self.place(), draw_topic(case["seed"], *SECOND)
        trap = {name: case[name] for name in ("door", "at", "after")}
        code = self._workshop.wait(self._start(place, case["seed"], trap))
        log("the sink ended", code=code)
        # Two runs may differ by an operation: a hint that is due, a folder that is there. The last one may not come.
        expect(code in {-signal.SIGKILL, 0}, f"the sink was not killed but failed with {code}")
        self.killed += code != 0
        objects = open_place(place)
        check_sound(objects)
        with must_work("landing again"):
            landed = land(objects, topic) if not self._broken else self._again(place, case["seed"])
        log("landed again", result=str(landed))
        check_landed(DatasetStore(open_place(place)).commit_view(REF), topic)
        check_sound(open_place(place))
        if "root" in place:
            shutil.rmtree(place["root"])

    def _again(self, place: Place, seed: int) -> None:
        self._workshop.finish(self._start(place, seed, {}))

    def _start(self, place: Place, seed: int, trap: dict[str, Any], told: str = "") -> int:
        arguments = {"place": place, "seed": seed, "counts": SECOND, "trap": trap, "told": told, "broken": self._broken}
        return self._workshop.start("faults.landing:land_trapped", **arguments)


def every_operation(kills: Kills, seed: int, most: int, doors: tuple[str, ...] = DOORS) -> Iterator[Case]:
    """Cases for all operations of some doors; evenly chosen ones when there are more than ``most``."""
    cases = [
        {"seed": seed, "door": door, "at": at, "after": after}
        for door in doors
        for at in range(kills.operations(seed, door))
        for after in (False, True)
    ]
    step = max(len(cases) / most, 1.0)
    return (cases[int(number * step)] for number in range(min(most, len(cases))))


def begin(place: Place, seed: int) -> Place:
    """A store with the first batch."""
    land(open_place(place), draw_topic(seed, *FIRST))
    return place


@sizes(14, 10_000)
def test_in_a_directory(bench: Bench, workshop: Workshop, tmp_path: Path, size: int) -> None:
    kills = Kills(workshop, tmp_path, begin({"root": str(tmp_path / "origin")}, bench.seed))
    bench.run(Row.KILL_INDEX, every_operation(kills, bench.seed, size), kills.try_one)
    assert kills.killed >= 0.95 * bench.results[Row.KILL_INDEX].tried


@sizes(4, 10_000)
def test_on_s3(bench: Bench, workshop: Workshop, tmp_path: Path, s3_place: Place, size: int) -> None:
    kills = Kills(workshop, tmp_path, begin(s3_place, bench.seed))
    bench.run(Row.KILL_INDEX, every_operation(kills, bench.seed, size, ("objects",)), kills.try_one)
    assert kills.killed >= 0.9 * bench.results[Row.KILL_INDEX].tried


@pytest.mark.control
def test_a_sink_that_acknowledges_before_it_commits_is_caught(bench: Bench, workshop: Workshop, tmp_path: Path) -> None:
    kills = Kills(workshop, tmp_path, begin({"root": str(tmp_path / "origin")}, bench.seed), "hasty")
    cases = every_operation(kills, bench.seed, 10_000)
    bench.control(Row.KILL_INDEX, "a sink that acknowledges before it commits", cases, kills.try_one)
