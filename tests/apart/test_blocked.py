"""Blocked, not failed: with a server that hangs, no data step starts, and everybody says the same about it.

A frozen process accepts connections and does
not answer; one that is gone is told by the same probes (``tests/infra/cli/test_extension.py`` has that one).
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
from typing import TYPE_CHECKING

import dagster as dg
import psutil
import pytest

from datamill_infra.model.told import BLOCKED_TAG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedded.room import Platform

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

BLOCKED = 3


@pytest.fixture(scope="module")
def deployed(apart: Platform) -> Platform:
    """On record as deployed: that is what "last seen" means."""
    done = apart.datamill("up")
    assert done.returncode == 0, done.stderr
    return apart


@contextlib.contextmanager
def frozen(platform: Platform, program: str) -> Iterator[None]:
    """A process is there and accepts connections, and does not answer."""
    process = psutil.Process(platform.pid(program))
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)
        platform.wait_healthy(program)


def run_of(platform: Platform, run_id: str) -> tuple[dg.DagsterRun, list[str], dict[str, str]]:
    """A run, the steps it started, and what the failed one recorded."""
    with dg.DagsterInstance.from_config(str(platform.home)) as instance:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        started, facts = [], {}
        for record in instance.get_records_for_run(run_id).records:
            event = record.event_log_entry.dagster_event
            if event and event.event_type is dg.DagsterEventType.STEP_START:
                started.append(str(event.step_key))
            if event and event.event_type is dg.DagsterEventType.STEP_FAILURE:
                data = event.step_failure_data.user_failure_data
                assert data is not None
                facts = {key: str(value.value) for key, value in data.metadata.items()}
    return run, started, facts


# Commits are in the object store: what lands is blocked by it, and not by the datasets that rest on it.
@pytest.mark.parametrize(
    ("component", "job"), [("kafka", "land_flights"), ("s3proxy", "land_flights"), ("mlflow", "serve")]
)
def test_a_server_that_hangs_blocks_the_run_and_run_tag_and_status_say_which_since_when_why_and_what_repairs(
    deployed: Platform, component: str, job: str
) -> None:
    with frozen(deployed, component):
        told = deployed.datamill("run", job, "--json")
        status = deployed.read("status")["components"][component]
    assert told.returncode == BLOCKED, told.stderr
    report = json.loads(told.stdout)
    assert report["blocked_by"] == [component]
    run, started, facts = run_of(deployed, report["run_id"])
    assert run.tags[BLOCKED_TAG] == component
    assert started == ["capabilities"]
    assert facts["since"].startswith("last seen available ")
    assert facts["cause"]
    assert facts["repair"] == f"datamill up -c {component}"
    assert re.search(rf"Blocked by {component}: unhealthy, (since|last seen available) 20\d\d-", told.stderr), (
        told.stderr
    )
    assert f"repair: datamill up -c {component}" in told.stderr
    assert f"datamill run {job}" in told.stderr
    assert status["health"] == "unhealthy"
    assert status["cause"]
    assert status["since"]
    assert status["repair"] == f"datamill up -c {component}"
