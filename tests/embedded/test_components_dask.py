"""The embedded Dask cluster."""

from __future__ import annotations

import pkgutil
import time
from collections.abc import Iterator

import distributed
import pytest
from embedded.room import Platform

from datamill_infra.capabilities import dask

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def client(platform: Platform) -> Iterator[distributed.Client]:
    with distributed.Client(platform.connection("dask").text("scheduler"), set_as_default=False) as connected:
        yield connected


def test_workers_import_what_pipelines_consist_of(client: distributed.Client) -> None:
    name = client.submit(pkgutil.resolve_name, "datamill_pipelines:__name__", pure=False)
    assert name.result(timeout=120) == "datamill_pipelines"


def test_computations_use_more_than_one_process(platform: Platform, client: distributed.Client) -> None:
    client.wait_for_workers(2, timeout=120)
    workers = [p.program for p in platform.driver.supervisor.processes() if p.program.startswith("dask-worker-")]
    assert workers == ["dask-worker-1", "dask-worker-2"]


def test_the_cluster_computes_again_after_a_kill_of_the_scheduler_during_long_work(platform: Platform) -> None:
    connection = platform.connection("dask")
    with distributed.Client(connection.text("scheduler"), set_as_default=False, timeout=5) as busy:
        futures = [busy.submit(time.sleep, 600, key=f"long-{number}") for number in range(2)]
        while len([key for keys in busy.processing().values() for key in keys]) < len(futures):
            time.sleep(0.1)
        platform.kill("dask")
        platform.wait_healthy("dask")
    assert dask.probe(connection, timeout=60).facts["busy"] is False


def test_a_cluster_that_is_busy_with_long_work_is_healthy(platform: Platform, client: distributed.Client) -> None:
    client.wait_for_workers(2, timeout=120)
    futures = [client.submit(time.sleep, 20, key=f"busy-{number}") for number in range(4)]
    observation = dask.probe(platform.connection("dask"), timeout=10)
    client.cancel(futures, force=True)
    assert observation.facts["busy"] is True
    assert "all busy" in observation.summary


def test_a_killed_worker_is_replaced_and_its_work_done(platform: Platform, client: distributed.Client) -> None:
    client.wait_for_workers(2, timeout=120)
    futures = [client.submit(pow, number, 2, pure=False) for number in range(20)]
    platform.kill("dask-worker-1")
    assert [number**2 for number in range(20)] == client.gather(futures)
    client.wait_for_workers(2, timeout=120)
