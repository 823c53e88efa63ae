"""Random operations, crashes and collections among them, against a model in memory: equal by full content."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from faults.bench import Bench, Case, Log, expect, must_work
from faults.operations import Driver
from faults.rows import Row
from faults.soundness import check_sound

from datamill_pipelines.datasets.inventory import Log as RefLog
from datamill_pipelines.datasets.reach import Reach
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.transaction import Transaction

LOOK_EVERY = 40
"""Steps between two comparisons."""


def trial(case: Case, log: Log) -> None:
    driver = Driver(case["seed"], log)
    steps = 0
    while driver.operations < case["operations"]:
        with must_work("an operation"):
            driver.step()
        steps += 1
        if steps % LOOK_EVERY == 0:
            driver.check()
    driver.check()
    check_sound(driver.objects)
    driver.objects.skew += timedelta(days=2)
    for _ in range(2):
        with must_work("the last collection"):
            DatasetStore(driver.objects).gc(grace=timedelta(0))
    driver.check()
    check_sound(driver.objects, nothing_left=True)
    expect(len(driver.counts) == 12, f"some operation was never drawn: {dict(driver.counts)}")


def cases(seed: int, seeds: int, operations: int) -> list[Case]:
    return [{"seed": seed + number, "operations": operations} for number in range(seeds)]


@pytest.mark.parametrize(
    ("seeds", "operations"),
    [
        pytest.param(2, 1_200, id="selection"),
        pytest.param(20, 10_000, id="full", marks=[pytest.mark.faults, pytest.mark.timeout(2_400)]),
    ],
)
def test_equal_by_full_content(bench: Bench, seeds: int, operations: int) -> None:
    bench.run(Row.MODEL, cases(bench.seed, seeds, operations), trial)


@pytest.mark.control
def test_a_collection_that_ignores_tags_is_caught(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    visit_live = Reach.visit_live

    def without_tags(self: Reach, **named: Any) -> None:
        logs: dict[str, RefLog] = self._inventory.logs
        self._inventory.logs = {key: log for key, log in logs.items() if log.kind != "tags"}
        visit_live(self, **named)
        self._inventory.logs = logs

    monkeypatch.setattr(Reach, "visit_live", without_tags)
    bench.control(Row.MODEL, "a collection that ignores tags", cases(bench.seed, 20, 1_500), trial)


@pytest.mark.control
def test_a_store_that_forgets_a_deletion_is_caught(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Transaction, "delete", lambda *_: None)
    bench.control(Row.MODEL, "a store that forgets deletions", cases(bench.seed, 3, 500), trial)
