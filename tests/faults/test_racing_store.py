"""A store whose conditional writes race is refused when it is opened; one that keeps them is not."""

from __future__ import annotations

import secrets

import pytest
from faults.bench import Bench, Case, Log, Violation, must_work, sizes
from faults.racing_server import BUCKET, SmallServer
from faults.rows import Row

from datamill_pipelines.datasets import probe
from datamill_pipelines.datasets.errors import UnsafeStoreError
from datamill_pipelines.datasets.s3 import S3Store
from datamill_pipelines.datasets.store import DatasetStore


def trial(case: Case, log: Log) -> None:
    with SmallServer(case["pause"]) as server:
        objects = S3Store(BUCKET, secrets.token_hex(6), server.connection, timeout=20)
        if case["pause"] is None:
            with must_work("opening a sound store"):
                DatasetStore(objects)
            return
        try:
            DatasetStore(objects)
        except UnsafeStoreError as error:
            log("refused", reason=error.reason)
            return
        raise Violation("a store whose conditional writes race was opened")


@sizes(1, 20)
def test_it_is_refused(bench: Bench, size: int) -> None:
    pauses = [None, 0.02, 0.005]
    bench.run(Row.RACES, [{"pause": pauses[number % 3], "round": number} for number in range(size)], trial)


@pytest.mark.control
def test_a_probe_that_asks_one_at_a_time_is_caught(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "WRITERS", 1)
    bench.control(Row.RACES, "a probe that asks one at a time", [{"pause": 0.02}], trial)
