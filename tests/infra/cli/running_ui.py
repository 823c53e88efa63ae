"""A running ``datamill ui``, asked as a browser asks it: by GraphQL."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Budgets for a busy machine, not promises about speed.
SECONDS = 240.0
STOP_SECONDS = 120.0
DATAMILL = [sys.executable, "-c", "from datamill_infra.cli import main; main()"]
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
DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }"
CHECKS = """
query($k: [AssetKeyInput!]) { assetNodes(assetKeys: $k) { assetChecksOrError { ... on AssetChecks { checks {
  name executionForLatestMaterialization { status evaluation { description } } } } } } }
"""


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def environment_of(home: Path) -> dict[str, str]:
    """What a terminal has in which a user works on a deployment."""
    inherited = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    return inherited | {"DATAMILL_HOME": str(home)}


def until(condition: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.3)


class Ui:
    """The process, once it has said that it serves.

    Args:
        home: of the deployment.
        port: to serve on.
    """

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port, self.url = home, port, f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [*DATAMILL, "ui", "--port", str(port)],
            env=environment_of(home),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert self.url in said, f"datamill ui said {said!r} and ended with {self.process.poll()}"

    def ask(self, query: str, **variables: object) -> Any:  # noqa: ANN401  JSON
        """The answer to a query."""
        request = urllib.request.Request(  # noqa: S310  loopback
            f"{self.url}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310  loopback
            told = json.load(answer)
        assert "errors" not in told, told["errors"]
        return told["data"]

    def launch(self, job: str, location: str = "datamill_infra") -> str | None:
        """The run's id; ``None`` when the code location is not there."""
        selector = {"repositoryLocationName": location, "repositoryName": "__repository__", "jobName": job}
        launched = self.ask(LAUNCH, p={"selector": selector, "runConfigData": {}, "mode": "default"})["launchRun"]
        if launched["__typename"] == "PipelineNotFoundError":
            return None
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def locations(self) -> dict[str, dict[str, str]]:
        """Name of each code location to what became of loading it."""
        entries = self.ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
        return {entry["name"]: entry["locationOrLoadError"] or {} for entry in entries}

    def daemons(self) -> dict[str, bool]:
        """The daemons that are needed, and whether each has shown that it lives."""
        statuses = self.ask(DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
        return {one["daemonType"]: bool(one["healthy"]) for one in statuses if one["required"]}

    def checks(self, component: str) -> dict[str, tuple[str, str]]:
        """Status and words of each check of a component; those never evaluated are missing."""
        node = self.ask(CHECKS, k=[{"path": ["infra", component]}])["assetNodes"][0]
        found = {}
        for check in node["assetChecksOrError"]["checks"]:
            if one := check["executionForLatestMaterialization"]:
                found[check["name"]] = (one["status"], (one["evaluation"] or {}).get("description") or "")
        return found

    def status(self, run: str | None) -> str:
        """Of a run."""
        return str(self.ask(STATUS, r=run)["runOrError"]["status"])

    def ended(self, run: str | None) -> str:
        """The status of a run once it is over."""
        until(lambda: self.status(run) in DONE, f"the end of run {run}")
        return self.status(run)

    def terminate(self, run: str | None) -> None:
        """As its button does."""
        self.ask(TERMINATE, r=run)

    def processes(self, command: str = "") -> list[psutil.Process]:
        """Its processes whose command line contains a text."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if command in " ".join(child.cmdline()):
                    found.append(child)
        return found


@contextlib.contextmanager
def serving(home: Path) -> Iterator[Ui]:
    """``datamill ui`` for a deployment, ended by Ctrl-C if it still runs."""
    ui = Ui(home, free_port())
    try:
        yield ui
    finally:
        if ui.process.poll() is None:
            ui.process.send_signal(signal.SIGINT)
        ui.process.communicate(timeout=STOP_SECONDS)
