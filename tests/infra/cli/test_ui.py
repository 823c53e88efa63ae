"""``datamill ui``: both code locations, the daemon, and servers that outlive all of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECONDS = 150.0
DONE = {"SUCCESS", "FAILURE", "CANCELED"}
LAUNCH = """
mutation($p: ExecutionParams!) { launchRun(executionParams: $p) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""
TERMINATE = "mutation($r: String!) { terminateRun(runId: $r) { __typename } }"
STATUS = "query($r: ID!) { runOrError(runId: $r) { ... on Run { status } } }"
LOCATIONS = """
{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError {
  __typename ... on PythonError { message } } } } } }
"""
CHECKS = """
{ assetNodes(assetKeys: [{path: ["infra", "pond"]}]) { assetChecksOrError { ... on AssetChecks { checks {
  name executionForLatestMaterialization { status } } } } } }
"""

pytestmark = pytest.mark.timeout(600)


class Ui:
    """A running ``datamill ui``."""

    def __init__(self, home: Path, port: int) -> None:
        environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
        self.home, self.url = home, f"http://127.0.0.1:{port}/graphql"
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from datamill_infra.cli import main; main()", "ui", "--port", str(port)],
            env=environment | {"DATAMILL_HOME": str(home)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert f"http://127.0.0.1:{port}" in self.process.stdout.readline()

    def ask(self, query: str, **variables: object) -> Any:  # noqa: ANN401  JSON
        request = urllib.request.Request(  # noqa: S310  loopback
            self.url,
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  loopback
            return json.load(answer)["data"]

    def launch(self, job: str) -> str | None:
        """The run's id; ``None`` when the code location is not there."""
        selector = {
            "repositoryLocationName": "datamill_infra",
            "repositoryName": "__repository__",
            "jobName": job,
        }
        launched = self.ask(LAUNCH, p={"selector": selector, "runConfigData": {}, "mode": "default"})["launchRun"]
        if launched["__typename"] == "PipelineNotFoundError":
            return None
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def locations(self) -> dict[str, dict[str, str]]:
        entries = self.ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
        return {entry["name"]: entry["locationOrLoadError"] or {} for entry in entries}

    def status(self, run: str | None) -> str:
        return str(self.ask(STATUS, r=run)["runOrError"]["status"])

    def processes(self, command: str) -> list[psutil.Process]:
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if command in " ".join(child.cmdline()):
                    found.append(child)
        return found


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def pid_of(home: Path, component: str) -> int:
    pid = Rollout(Deployment.load(home)).driver(component).report(component).processes[0].pid
    assert pid is not None
    return pid


@pytest.fixture(scope="module")
def ui(shared_marsh: Path) -> Iterator[Ui]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ui = Ui(shared_marsh, port)
    try:
        yield ui
    finally:
        if ui.process.poll() is None:
            ui.process.send_signal(signal.SIGINT)
        ui.process.communicate(timeout=60)


def test_both_code_locations_are_served(ui: Ui) -> None:
    loaded = ui.locations()
    assert {"datamill_infra", "datamill_pipelines"} == set(loaded)
    assert {"RepositoryLocation"} == {entry.get("__typename") for entry in loaded.values()}, loaded


def test_a_deploy_launched_there_materialises_healthy_components(ui: Ui) -> None:
    run = ui.launch("deploy_marsh")
    until(lambda: ui.status(run) in DONE, "the deploy did not end")
    assert ui.status(run) == "SUCCESS"
    checks = ui.ask(CHECKS)["assetNodes"][0]["assetChecksOrError"]["checks"]
    assert {check["name"]: check["executionForLatestMaterialization"]["status"] for check in checks} == {
        "healthy": "SUCCEEDED",
        "in_sync": "SUCCEEDED",
    }


def test_servers_outlive_a_killed_code_server_and_it_comes_back(ui: Ui) -> None:
    before = pid_of(ui.home, "pond")
    for process in ui.processes("datamill_infra.definitions"):
        process.kill()
    assert before == pid_of(ui.home, "pond")
    launched: list[str] = []

    def launches() -> bool:
        with contextlib.suppress(urllib.error.HTTPError):  # what the web server says while it has no code server
            launched.extend(filter(None, [ui.launch("deploy_puddle")]))
        return bool(launched)

    until(launches, "the code server did not come back")
    until(lambda: ui.status(launched[0]) in DONE, "the deploy did not end")
    assert ui.status(launched[0]) == "SUCCESS"
    assert before == pid_of(ui.home, "pond")


def test_servers_outlive_a_terminated_deploy(ui: Ui) -> None:
    (ui.home / "catalogue" / "frog" / "capability_frog.py").write_text(
        "from datamill_infra.model.errors import UnhealthyError\n"
        "def probe(connection, *, timeout):\n    raise UnhealthyError('not yet.', instruction='Wait.')\n"
        "def environment(connection):\n    return {}\n",
        encoding="utf-8",
    )
    before = pid_of(ui.home, "pond")
    run = ui.launch("deploy_marsh")
    until(lambda: ui.status(run) in {"STARTED", *DONE}, "the deploy did not begin")
    until((ui.home / "state" / "writer.json").exists, "nobody took the lock")
    ui.ask(TERMINATE, r=run)
    until(lambda: ui.status(run) in DONE, "the deploy did not end")
    assert ui.status(run) in {"CANCELED", "FAILURE"}
    assert before == pid_of(ui.home, "pond")
    assert pid_of(ui.home, "frog")


def test_ctrl_c_ends_it_without_leaving_a_process_of_its_own(ui: Ui) -> None:
    own = psutil.Process(ui.process.pid).children(recursive=True)
    ui.process.send_signal(signal.SIGINT)
    assert ui.process.wait(60) == 0
    until(lambda: not any(process.is_running() for process in own), f"left over: {own}")
    assert pid_of(ui.home, "pond")
