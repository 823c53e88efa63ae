"""Processes commit to one branch at once: everything lands, in one line, with bounded retries."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest
from faults.bench import Bench, Case, Log, Trial, expect, must_work, sizes
from faults.committing import REPO
from faults.landing import Place, open_place
from faults.rows import Row
from faults.soundness import check_sound, read_files
from faults.workshop import Workshop

from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.transaction import ATTEMPTS

PROCESSES = 8


def trial(workshop: Workshop, folder: Path, place: Place, *, overwrite: bool = False) -> Trial:
    def try_one(case: Case, log: Log) -> None:
        name = secrets.token_hex(4)
        here = {**place, "prefix": name} if "prefix" in place else {"root": str(folder / name)}
        DatasetStore(open_place(here)).create_repo(REPO)
        told = [folder / secrets.token_hex(4) for _ in range(PROCESSES)]
        running = [
            workshop.start(
                "faults.committing:commit_many",
                place=here,
                name=name,
                commits=case["commits"],
                told=str(told[name]),
                overwrite=overwrite,
            )
            for name in range(PROCESSES)
        ]
        codes = [workshop.wait(process) for process in running]
        expect(codes == [0] * PROCESSES, f"writers ended with {codes}")
        attempts = [json.loads(path.read_text(encoding="utf-8")) for path in told]
        log("all are done", attempts=attempts)
        check(here, case["commits"], max(map(max, attempts)))

    return try_one


def check(place: Place, commits: int, attempts: int) -> None:
    """All commits, in one line, each with what it brought, and none tried too often."""
    objects = open_place(place)
    check_sound(objects)
    with must_work("reading the history"):
        history = list(DatasetStore(objects).repo(REPO).log())
    expect(len(history) == PROCESSES * commits, f"{len(history)} commits and not {PROCESSES * commits}")
    parents = [commit.parents for commit in history]
    line = [*((commit.id,) for commit in history[1:]), ()]
    expect([tuple(each) for each in parents] == line, "the history is not one line")
    expected = {f"{n}/{i}.csv": b"%d %d" % (n, i) for n in range(PROCESSES) for i in range(commits)}
    expect(read_files(objects, f"{REPO}@main") == expected, "some commit's file is not there")
    ends = {reached.end for reached in history[0].positions.values()}
    expect(ends == {commits}, f"positions end at {ends}")
    expect(attempts < ATTEMPTS, f"a commit needed {attempts} attempts")


@sizes(5, 50)
def test_in_a_directory(bench: Bench, workshop: Workshop, tmp_path: Path, size: int) -> None:
    bench.run(Row.CONTENTION, [{"commits": size}], trial(workshop, tmp_path, {"root": ""}), weight=PROCESSES * size)


@pytest.mark.faults
def test_on_s3(bench: Bench, workshop: Workshop, tmp_path: Path, s3_place: Place) -> None:
    bench.run(Row.CONTENTION, [{"commits": 50}], trial(workshop, tmp_path, s3_place), weight=PROCESSES * 50)


@pytest.mark.control
def test_a_store_that_overwrites_heads_is_caught(bench: Bench, workshop: Workshop, tmp_path: Path) -> None:
    broken = trial(workshop, tmp_path, {"root": ""}, overwrite=True)
    bench.control(Row.CONTENTION, "a store that overwrites heads", [{"commits": 5}] * 3, broken)
