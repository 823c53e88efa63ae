"""``datamill ui``: both code locations, the daemon, and servers that outlive all of it."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import urllib.error
from typing import TYPE_CHECKING

import psutil
import pytest
from infra.cli.running_ui import DATAMILL, SECONDS, STOP_SECONDS, environment_of, serving, until

from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.cli.running_ui import Ui

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

USAGE = 64


def pid_of(home: Path, component: str) -> int:
    pid = Rollout(Deployment.load(home)).driver(component).report(component).processes[0].pid
    assert pid is not None
    return pid


def refused(home: Path, port: int) -> subprocess.CompletedProcess[str]:
    command = [*DATAMILL, "ui", "--port", str(port)]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment_of(home), timeout=SECONDS, check=False
    )


@pytest.fixture(scope="module")
def ui(shared_marsh: Path) -> Iterator[Ui]:
    with serving(shared_marsh) as ui:
        yield ui


def test_both_code_locations_are_served(ui: Ui) -> None:
    loaded = ui.locations()
    assert {"datamill_infra", "datamill_pipelines"} == set(loaded)
    assert {"RepositoryLocation"} == {entry.get("__typename") for entry in loaded.values()}, loaded


def test_the_daemon_lives(ui: Ui) -> None:
    until(lambda: all(ui.daemons().values()), "every daemon has shown that it lives")
    assert {"SENSOR", "SCHEDULER", "QUEUED_RUN_COORDINATOR"} <= set(ui.daemons())


def test_everything_listens_on_loopback_only(ui: Ui) -> None:
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for process in ui.processes()
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {("127.0.0.1", ui.port)} == listening


def test_a_port_in_use_is_refused_with_an_instruction(ui: Ui) -> None:
    second = refused(ui.home, ui.port)
    assert second.returncode == 1
    assert f"Port {ui.port} on 127.0.0.1 is taken" in second.stderr
    assert "--port" in second.stderr


def test_a_port_that_is_none_is_refused_with_the_range(ui: Ui) -> None:
    second = refused(ui.home, 70_000)
    assert second.returncode == USAGE
    assert "65535" in second.stderr


def test_a_deploy_launched_there_materialises_healthy_components(ui: Ui) -> None:
    assert ui.ended(ui.launch("deploy_marsh")) == "SUCCESS"
    assert {"healthy": "SUCCEEDED", "in_sync": "SUCCEEDED"} == {
        name: status for name, (status, _) in ui.checks("pond").items()
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

    until(launches, "the code server is back")
    assert ui.ended(launched[0]) == "SUCCESS"
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
    until((ui.home / "state" / "writer.json").exists, "the deploy has the lock")
    ui.terminate(run)
    assert ui.ended(run) in {"CANCELED", "FAILURE"}
    assert before == pid_of(ui.home, "pond")
    assert pid_of(ui.home, "frog")


def test_ctrl_c_ends_it_without_leaving_a_process_or_a_port(ui: Ui) -> None:
    own = ui.processes()
    ui.process.send_signal(signal.SIGINT)
    assert ui.process.wait(STOP_SECONDS) == 0
    until(lambda: not any(process.is_running() for process in own), f"the end of {own}")
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", ui.port))
    assert pid_of(ui.home, "pond")
