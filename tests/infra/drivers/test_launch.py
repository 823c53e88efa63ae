"""The instructions between supervisord's fork and a server's first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from datamill_infra.drivers.embedded import launch


def test_five_starts_a_minute_are_free_and_then_each_waits_a_second_longer_up_to_four(tmp_path: Path) -> None:
    record = tmp_path / "starts"
    waits = [launch.brake_seconds(record, now=100.0 + n) for n in range(12)]
    assert waits == [0.0] * 6 + [1.0, 2.0, 3.0, 4.0, 4.0, 4.0]
    assert launch.brake_seconds(record, now=1000.0) == 0.0


def test_a_damaged_record_of_starts_is_started_afresh(tmp_path: Path) -> None:
    record = tmp_path / "starts"
    record.write_text("not a number", encoding="ascii")
    assert launch.brake_seconds(record, now=1.0) == 0.0


def test_a_launch_whose_supervisor_has_ended_meanwhile_does_not_start_anything(tmp_path: Path) -> None:
    pid_file, spec = tmp_path / "pid", tmp_path / "spec.json"
    pid_file.write_text("1", encoding="ascii")
    spec.write_text(f'{{"supervisor_pid_file": "{pid_file}"}}', encoding="ascii")
    finished = subprocess.run(
        [sys.executable, "-I", "-S", launch.__file__, str(spec)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (finished.returncode, finished.stderr) == (1, "The supervisor that started this has ended.\n")


def test_only_processes_with_exactly_this_mark_are_swept() -> None:
    def start(mark: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["/bin/sleep", "60"], env={launch.MARK: mark})

    mine, other = start(f"/home#{os.getpid()}"), start(f"/home#{os.getpid()}/more")
    try:
        assert ({mine.pid}, []) == launch.sweep(f"/home#{os.getpid()}")
        assert mine.wait(timeout=20) == -9
        assert other.poll() is None
    finally:
        for process in (mine, other):
            process.kill()
            process.wait()


def test_the_death_of_the_parent_is_the_death_of_the_process() -> None:
    with pytest.raises(SystemExit, match="has ended"):
        launch.die_with(os.getpid())  # nobody is its own parent
