"""Deployments for the tests of the drivers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from infra.drivers.bench import CATALOGUE, Bench


@pytest.fixture
def bench_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[Path], Bench]]:
    monkeypatch.setenv("DATAMILL_CACHE", str(tmp_path / "cache"))
    benches: list[Bench] = []

    def make(home: Path) -> Bench:
        shutil.copytree(CATALOGUE, home / "catalogue", ignore=shutil.ignore_patterns("__pycache__"))
        (home / "flavours").mkdir()
        (home / "flavours" / "birds.yaml").write_text("title: Birds\nsummary: Two.\ncomponents: [echo, parrot]\n")
        bench = Bench(home)
        bench.write()
        benches.append(bench)
        return bench

    yield make
    for bench in benches:
        supervisor = bench.driver.supervisor
        for component in supervisor.components():
            supervisor.drop(component)
        supervisor.shutdown()


@pytest.fixture
def bench(bench_at: Callable[[Path], Bench], tmp_path: Path) -> Bench:
    return bench_at(tmp_path / "home")
