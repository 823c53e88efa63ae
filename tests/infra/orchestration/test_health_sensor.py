"""The sensor records what has turned, and never hides what a deploy found."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from datamill_infra.definitions import build_definitions
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment
from datamill_infra.orchestration.health_sensor import health_sensor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVERYTHING = {"pond:healthy", "pond:in_sync", "frog:healthy", "frog:in_sync"}
HOLD = """
import sys
from pathlib import Path
from datamill_infra.drivers.lock import writer_lock
from datamill_infra.model.home import Home
with writer_lock(Home(Path(sys.argv[1])), "datamill up"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def deploy(home: Path, instance: dg.DagsterInstance) -> None:
    assert build_definitions(home).resolve_job_def("deploy_marsh").execute_in_process(instance=instance).success


def look(home: Path, instance: dg.DagsterInstance, cursor: str | None = None) -> tuple[dict[str, bool], str | None]:
    """What a look records, and the cursor for the next one."""
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    result = health_sensor(Deployment.load(home))(context)
    if isinstance(result, dg.SkipReason):
        return {}, cursor
    assert isinstance(result, dg.SensorResult)
    recorded = {}
    for event in result.asset_events:
        assert isinstance(event, dg.AssetCheckEvaluation)
        recorded[f"{event.asset_key.path[-1]}:{event.check_name}"] = event.passed
    return recorded, result.cursor


def test_nothing_is_recorded_again_while_nothing_turns(marsh: Path, instance: dg.DagsterInstance) -> None:
    deploy(marsh, instance)
    first, cursor = look(marsh, instance)
    assert dict.fromkeys(EVERYTHING, True) == first
    assert look(marsh, instance, cursor)[0] == {}


def test_a_component_that_goes_away_is_recorded(marsh: Path, instance: dg.DagsterInstance) -> None:
    deploy(marsh, instance)
    _, cursor = look(marsh, instance)
    supervisor = Rollout(Deployment.load(marsh)).drivers["embedded"].supervisor.pid()  # type: ignore[attr-defined]
    os.kill(supervisor, signal.SIGKILL)
    recorded, _ = look(marsh, instance, cursor)
    assert dict.fromkeys(EVERYTHING, False) == recorded


def test_every_check_is_recorded_again_after_a_deploy(marsh: Path, instance: dg.DagsterInstance) -> None:
    deploy(marsh, instance)
    _, cursor = look(marsh, instance)
    deploy(marsh, instance)
    assert set(look(marsh, instance, cursor)[0]) == EVERYTHING


def test_it_looks_away_while_somebody_writes(marsh: Path, instance: dg.DagsterInstance) -> None:
    deploy(marsh, instance)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(marsh)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "held\n"
        recorded, _ = look(marsh, instance)
        writer.communicate("")
    assert recorded == {}
