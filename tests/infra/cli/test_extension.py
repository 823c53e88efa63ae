"""Bring your own: a component, a flavour and a pipeline in the deployment's directory, the packages untouched.

One folder (``catalogue/pond``, with a capability of its own), one file (``flavours/puddle.yaml``), one folder
(``pipelines/fishing``); and the pipeline is blocked while its component is away.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment
from datamill_pipelines.capabilities import BLOCKED_TAG

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(600)

PIPELINE = '''
"""Fishing: needs the capability ``pond``, which only this deployment has."""

import urllib.request
from pathlib import Path

import dagster as dg

from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.jobs import pipeline_job

from .net import caught


@dg.asset(key=["raw", "fish"], deps=[["capability", "pond"]])
def raw_fish(platform: PlatformConnections) -> dg.MaterializeResult:
    url = platform.get("pond").text("url")
    with urllib.request.urlopen(url, timeout=10) as answer:
        status = answer.status
    file = Path(platform.directory().home) / "caught"
    file.write_text(caught(status), encoding="utf-8")
    return dg.MaterializeResult(metadata={"dagster/row_count": 1})


def build():
    job = pipeline_job("fish", dg.AssetSelection.assets(raw_fish), description="There is fish.")
    return dg.Definitions(assets=[raw_fish], jobs=[job])
'''


@pytest.fixture
def own(marsh: Path) -> Path:
    """The deployment of ``puddle`` with a pipeline of its own."""
    (marsh / "deployment.yaml").write_text("flavour: puddle\n", encoding="utf-8")
    folder = marsh / "pipelines" / "fishing"
    folder.mkdir(parents=True)
    (folder / "definitions.py").write_text(PIPELINE, encoding="utf-8")
    (folder / "net.py").write_text("def caught(status):\n    return f'trout {status}'\n", encoding="utf-8")
    return marsh


def datamill(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    return subprocess.run(
        [sys.executable, "-c", "from datamill_infra.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        env=environment | {"DATAMILL_HOME": str(home)},
        timeout=300,
        check=False,
    )


def test_a_component_a_flavour_and_a_pipeline_of_ones_own(own: Path) -> None:
    assert datamill(own, "up").returncode == 0
    fished = datamill(own, "run", "fish", "--json")
    assert fished.returncode == 0, fished.stderr
    assert (own / "caught").read_text(encoding="utf-8") == "trout 200"
    steps = {step["key"]: step["state"] for step in json.loads(fished.stdout)["steps"]}
    assert steps == {"capabilities": "done", "raw__fish": "done"}


def test_without_its_component_no_data_step_starts_and_the_repair_is_named(own: Path) -> None:
    assert datamill(own, "up").returncode == 0
    deployment = Deployment.load(own)
    with writer_lock(deployment, "test"):
        Rollout(deployment).down(["pond"])
    blocked = datamill(own, "run", "fish")
    assert blocked.returncode == 3, blocked.stderr
    assert "Blocked by pond: absent, last seen available" in blocked.stderr
    assert "repair: datamill up -c pond" in blocked.stderr
    assert not (own / "caught").exists()
    with dg.DagsterInstance.from_config(str(own)) as instance:
        run = instance.get_run_records(dg.RunsFilter(job_name="fish"), limit=1)[0].dagster_run
    assert (run.status, run.tags[BLOCKED_TAG]) == (dg.DagsterRunStatus.FAILURE, "pond")
