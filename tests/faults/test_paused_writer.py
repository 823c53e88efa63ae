"""A writer stands still at some operation, another one takes over and lands, the first wakes up."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from faults.bench import Bench, Case, Log, Trial, expect, must_work, sizes
from faults.landing import REF, Place, land, open_place
from faults.rows import Row
from faults.soundness import check_sound
from faults.topics import check_landed, draw_topic
from faults.workshop import Workshop
from s3_server import BUCKET

from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.datasets.objects import ObjectStore
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.testing.proxy import FaultyProxy

FIRST, SECOND, THIRD = [90, 41], [170, 75], [200, 99]
WRITERS = 2
BATCH = 24
"""Operations of the batch, about."""

VOLATILE = ("hint", "sessions/", "probe/", "clock/")


def cases(workshop: Workshop, folder: Path, place: Place, seed: int, rounds: int) -> Iterator[Case]:
    """The moment of the pause: before or after some operation of the first writer's batch."""
    here = {**place, "prefix": secrets.token_hex(6)} if "prefix" in place else {"root": str(folder / "counted")}
    land(open_place(here), draw_topic(seed, *FIRST))
    told = folder / "counted.json"
    trap = {"door": "objects"}
    workshop.finish(
        workshop.start("faults.landing:land_trapped", place=here, seed=seed, counts=SECOND, trap=trap, told=str(told))
    )
    operations = json.loads(told.read_text(encoding="utf-8"))["passed"]["objects"]
    chance = random.Random(seed)
    for number in range(rounds):
        # A store that is not trusted is probed first; the batch is what comes last.
        moment = {"at": operations - 1 - chance.randrange(min(BATCH, operations)), "after": chance.random() < 0.5}
        # Every other time the second writer lands more than the first one has taken.
        yield {"seed": seed, "more": number % 2 == 1, **moment}


def bytes_of(objects: ObjectStore) -> dict[str, bytes]:
    """Every object that is written once."""
    keys = [info.key for info in objects.scan("")]
    return {key: objects.get(key) for key in keys if not key.startswith(VOLATILE) and not key.endswith(VOLATILE)}


def trial(workshop: Workshop, folder: Path, place: Place, proxy: FaultyProxy | None = None, broken: str = "") -> Trial:
    def try_one(case: Case, log: Log) -> None:
        name = secrets.token_hex(6)
        here = {**place, "prefix": name} if "prefix" in place else {"root": str(folder / name)}
        objects = open_place(here)
        land(objects, draw_topic(case["seed"], *FIRST))
        if proxy is not None:
            proxy.requests.clear()
        told = folder / f"{name}.json"
        trap = {"door": "objects", "at": case["at"], "after": case["after"], "signal": "SIGSTOP"}
        first = workshop.start(
            "faults.landing:land_trapped",
            place=here, seed=case["seed"], counts=SECOND, trap=trap, told=str(told), broken=broken,
        )  # fmt: skip
        code = workshop.wait_stopped(first)
        log("the first writer stands", code=code)
        topic = draw_topic(case["seed"], *(THIRD if case["more"] else SECOND))
        with must_work("taking over"):
            land(open_place(here), topic)
        before, head = bytes_of(objects), DatasetStore(objects).commit_view(REF).id
        if code is None:
            os.kill(first, signal.SIGCONT)
            code = workshop.wait(first)
        log("the first writer ended", code=code)
        expect(code == 0, f"the first writer failed with {code}: {workshop.errors.read_text()[-1_500:]}")
        expect(DatasetStore(objects).commit_view(REF).id == head, "the first writer committed on top")
        changed = [key for key, data in before.items() if objects.size(key) is None or objects.get(key) != data]
        expect(not changed, f"the first writer changed {changed[:3]}")
        check_landed(DatasetStore(objects).commit_view(REF), topic)
        check_sound(objects)
        log("checked", told=json.loads(told.read_text(encoding="utf-8")))
        if proxy is not None:
            check_puts(proxy, name)
        if "root" in here:
            shutil.rmtree(here["root"])

    return try_one


def check_puts(proxy: FaultyProxy, prefix: str) -> None:
    """Each record was created by one PUT, and each writer has sent what it refers to once."""
    made: Counter[str] = Counter()
    for request in proxy.requests:
        key = request.path.split("?")[0].partition(f"{prefix}/")[2]
        if request.kind in {"put", "create"} and request.status == HTTPStatus.OK and not key.endswith("hint"):
            made[key] += 1
    records = {key: count for key, count in made.items() if key.startswith("repos/") and count != 1}
    others = {key: count for key, count in made.items() if key.startswith(("blobs/", "packs/")) and count > WRITERS}
    expect(not records, f"created more than once: {records}")
    expect(not others, f"sent more than once by one writer: {others}")


@sizes(2, 40)
def test_in_a_directory(bench: Bench, workshop: Workshop, tmp_path: Path, size: int) -> None:
    place: Place = {"root": ""}
    bench.run(Row.PAUSED, cases(workshop, tmp_path, place, bench.seed, size), trial(workshop, tmp_path, place))


@pytest.mark.faults
def test_on_s3(bench: Bench, workshop: Workshop, tmp_path: Path, s3_connection: ResolvedConnection) -> None:
    with FaultyProxy(int(s3_connection.text("endpoint").rpartition(":")[2])) as proxy:
        fields = {**s3_connection.values, "endpoint": proxy.endpoint}
        place = {"fields": fields, "bucket": BUCKET, "prefix": ""}
        moments = cases(workshop, tmp_path, place, bench.seed, 20)
        bench.run(Row.PAUSED, moments, trial(workshop, tmp_path, place, proxy))


@pytest.mark.control
def test_a_store_that_overwrites_heads_is_caught(bench: Bench, workshop: Workshop, tmp_path: Path) -> None:
    try_one = trial(workshop, tmp_path, {"root": ""}, broken="overwriting")
    moments = cases(workshop, tmp_path, {"root": ""}, bench.seed, 50)
    bench.control(Row.PAUSED, "a store that overwrites heads", moments, try_one)
