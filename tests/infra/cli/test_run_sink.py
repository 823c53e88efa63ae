"""``datamill run sink`` before it reaches a broker."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from datamill_infra.cli.root import run
from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment
from datamill_pipelines.stream.sinks import SINKS

if TYPE_CHECKING:
    from pathlib import Path

JOB = """
import dagster as dg

@dg.op
def nothing(): ...

@dg.job(name="sink")
def sink():
    nothing()

def build():
    return dg.Definitions(jobs=[sink])
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A deployment of datasets only."""
    home = tmp_path / ".datamill"
    (home / "flavours").mkdir(parents=True)
    (home / "flavours" / "store.yaml").write_text(
        "title: Store\nsummary: Datasets only.\ncomponents: [datasets]\n", encoding="utf-8"
    )
    url = (tmp_path / "store").as_uri()
    (home / "deployment.yaml").write_text(
        "flavour: store\n"
        f"components: {{datasets: {{provider: external, connection: {{datasets: {{url: '{url}'}}}}}}}}\n",
        encoding="utf-8",
    )
    return home


def test_the_list_names_each_sink_and_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "sink", "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert list(SINKS) == [sink["dataset"] for sink in listed]
    assert ["mqtt", "amqp"] == listed[1]["via"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 64, "--list"),
        (["raw/flihgts"], 5, "Did you mean 'raw/flights'?"),
        (["raw/flights", "--via", "amqp"], 5, "choose of: kafka"),
        (["raw/flights", "--interval", "0"], 64, "0"),
        (["raw/flights", "--bad-messages", "drop"], 64, "keep"),
    ],
)
def test_a_wrong_command_line_is_refused(
    home: Path, arguments: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code == run(["--home", str(home), "run", "sink", *arguments])
    assert told in capsys.readouterr().err


def test_it_is_blocked_by_what_the_deployment_does_not_have(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    deployment = Deployment.load(home)
    with writer_lock(deployment, "the tests"):
        assert Rollout(deployment).up()["datasets"].succeeded
    assert run(["--home", str(home), "run", "sink", "raw/flights"]) == 3
    told = capsys.readouterr().err
    assert "nothing was landed" in told
    assert "provides kafka" in told
    assert "never seen available" in told
    assert "Then:   datamill run sink raw/flights" in told


def test_no_job_may_be_called_sink(home: Path) -> None:
    (home / "pipelines" / "own").mkdir(parents=True)
    (home / "pipelines" / "own" / "definitions.py").write_text(JOB, encoding="utf-8")
    line = [sys.executable, "-c", "from datamill_infra.cli import main; main()", "--home", str(home), "run", "--list"]
    listed = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert listed.returncode == 5
    assert "keeps for sinks" in listed.stderr
