from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from datamill_infra.drivers.embedded.cleanliness import MachineProof
from datamill_infra.model.home import Home
from datamill_infra.model.leftovers import Verdict


def proved(home: Path, port: int, *, delete_data: bool) -> Verdict:
    ticks = iter(range(0, 10_000, 1_000))
    proof = MachineProof(Home(home), {"frog": {"http": port}}, sleep=lambda _: None, clock=lambda: float(next(ticks)))
    return proof.verdict(delete_data=delete_data)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def test_nothing_is_left_where_nothing_is(tmp_path: Path) -> None:
    assert () == proved(tmp_path, free_port(), delete_data=True).leftovers


def test_kept_data_has_a_reason_and_data_that_was_to_go_has_none(tmp_path: Path) -> None:
    (tmp_path / "components" / "frog").mkdir(parents=True)
    kept = proved(tmp_path, free_port(), delete_data=False)
    assert [(str(tmp_path / "components" / "frog"), True)] == [(one.what, bool(one.reason)) for one in kept.leftovers]
    assert 1 == len(proved(tmp_path, free_port(), delete_data=True).unexplained)


def test_a_port_that_somebody_listens_on_is_left(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
        (found,) = proved(tmp_path, port, delete_data=False).unexplained
    assert found.what.startswith(f"port 127.0.0.1:{port} (frog http): process ")


def test_a_process_that_still_runs_is_left(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "input()", str(tmp_path / "components" / "frog" / "config")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as process:
        (found,) = proved(tmp_path, free_port(), delete_data=False).unexplained
        process.communicate("\n")
    assert found.what.startswith(f"process {process.pid} (")
