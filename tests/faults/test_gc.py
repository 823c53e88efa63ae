"""A collection of garbage beside writers that want old bytes: killed anywhere, it takes nothing that is needed."""

from __future__ import annotations

import pytest
from faults.bench import Bench, Case, Log, sizes
from faults.collecting import play
from faults.rows import Row

from datamill_pipelines.datasets import gc


def cases(seed: int, rounds: int) -> list[Case]:
    return [{"seed": f"{seed} {number}"} for number in range(rounds)]


def trial(case: Case, log: Log) -> None:
    play(case["seed"], log)


@sizes(10, 300)
def test_nothing_reachable_is_lost_and_no_garbage_left(bench: Bench, size: int) -> None:
    bench.run(Row.GC, cases(bench.seed, size), trial)


@pytest.mark.control
def test_writers_that_do_not_look_at_collections_are_caught(bench: Bench) -> None:
    def careless(case: Case, log: Log) -> None:
        play(case["seed"], log, careless=True)

    bench.control(Row.GC, "writers that do not look at collections", cases(bench.seed, 1_000), careless)


@pytest.mark.control
def test_a_collection_that_sets_no_fence_is_caught(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc._Collection, "_fence", lambda *_: None)
    bench.control(Row.GC, "a collection without fences", cases(bench.seed, 1_000), trial)


@pytest.mark.control
def test_a_collection_that_does_not_look_twice_is_caught(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    look = gc._Collection._look
    seen: dict[int, object] = {}
    monkeypatch.setattr(gc._Collection, "_look", lambda self: seen.setdefault(id(self), look(self)))
    bench.control(Row.GC, "a collection that looks only once", cases(bench.seed, 1_000), trial)
