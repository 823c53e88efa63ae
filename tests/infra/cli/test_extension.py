"""Bring your own: a component, a flavour and a pipeline in the deployment's directory, the packages untouched.

One folder (``catalogue/valkey``: a real server from a package that ships one), one file (``flavours/cache.yaml``), one
folder (``pipelines/counting``), as they lie in ``extension/`` beside this file.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest
import valkey

from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.published import published_connection
from datamill_pipelines.capabilities import BLOCKED_TAG

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(600)

EXTENSION = Path(__file__).parent / "extension"
SECONDS = 60.0


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A deployment that knows what is in ``extension/``, brought up by its flavour's name."""
    home = tmp_path_factory.mktemp("own") / "home"
    shutil.copytree(EXTENSION, home, ignore=shutil.ignore_patterns("__pycache__"))
    try:
        up = datamill(home, "up", "cache")
        assert up.returncode == 0, up.stderr
        yield home
    finally:
        deployment = Deployment.load(home)
        with writer_lock(deployment, "test", wait_seconds=30):
            outcomes = Rollout(deployment).down(delete_data=True)
        assert all(outcome.succeeded for outcome in outcomes.values()), outcomes


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


def client(home: Path) -> valkey.Valkey:
    connection = published_connection(Deployment.load(home), "valkey")
    return valkey.Valkey(connection.text("host"), int(connection["port"]), password=connection.text("password"))


def test_a_component_of_ones_own_is_healthy_and_shown_like_any_other(own: Path) -> None:
    status = json.loads(datamill(own, "status", "--json").stdout)
    assert status["components"]["valkey"]["health"] == "healthy"
    assert status["components"]["valkey"]["summary"].startswith("Valkey 9.")
    inside = datamill(own, "shell", "--", sys.executable, "-c", "import os; print(os.environ['VALKEY_URL'])")
    assert inside.stdout.startswith("valkey://:")


def test_a_pipeline_of_ones_own_uses_it(own: Path) -> None:
    counted = datamill(own, "run", "count", "--json")
    assert counted.returncode == 0, counted.stderr
    steps = {step["key"]: (step["state"], step["rows"]) for step in json.loads(counted.stdout)["steps"]}
    assert steps == {"capabilities": ("done", None), "counts__carriers": ("done", 16)}
    with client(own) as store:
        assert store.hget("carriers", "UA") == b"4637"


def test_its_server_is_kept_running_with_its_data(own: Path) -> None:
    with client(own) as store:
        store.set("kept", "yes")
    pid = Rollout(Deployment.load(own)).driver("valkey").report("valkey").processes[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with client(own) as store:
                assert store.get("kept") == b"yes"
            break
        except valkey.ConnectionError:
            assert time.monotonic() < deadline, "it was not started again"
            time.sleep(0.1)


def test_nobody_without_the_password_is_let_in(own: Path) -> None:
    connection = published_connection(Deployment.load(own), "valkey")
    with (
        valkey.Valkey(connection.text("host"), int(connection["port"])) as stranger,
        pytest.raises(valkey.AuthenticationError),
    ):
        stranger.get("kept")


@pytest.mark.long
def test_without_its_component_no_data_step_starts_and_the_repair_is_named(own: Path) -> None:
    deployment = Deployment.load(own)
    with writer_lock(deployment, "test"):
        Rollout(deployment).down(["valkey"])
    blocked = datamill(own, "run", "count")
    assert blocked.returncode == 3, blocked.stderr
    assert "Blocked by valkey: absent, last seen available" in blocked.stderr
    assert "repair: datamill up -c valkey" in blocked.stderr
    with dg.DagsterInstance.from_config(str(own)) as instance:
        (latest,) = instance.get_runs(limit=1)
        assert latest.tags[BLOCKED_TAG] == "valkey"
        started = instance.get_records_for_run(latest.run_id, of_type=dg.DagsterEventType.STEP_START).records
        keys = [r.event_log_entry.dagster_event.step_key for r in started if r.event_log_entry.dagster_event]
        assert keys == ["capabilities"]
    assert datamill(own, "up", "-c", "valkey").returncode == 0
    assert datamill(own, "run", "count").returncode == 0
