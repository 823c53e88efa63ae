"""Servers outlive whoever started them, come back when they are killed, and are never doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from infra.drivers.bench import Bench, alive, eventually

from datamill_infra.drivers.embedded import launch
from datamill_infra.drivers.embedded.supervisor import Supervisor
from datamill_infra.drivers.inspection import inspect
from datamill_infra.drivers.lock import current_holder, writer_lock
from datamill_infra.model.errors import LockedError
from datamill_infra.model.states import ReleaseState

SCRIPT = Path(__file__).parent / "deploy.py"

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]


def test_a_killed_server_is_back_with_its_data_and_status_tells_the_story(bench: Bench) -> None:
    bench.up()
    pid = bench.pid("echo")
    bench.kill(pid)
    assert eventually(lambda: bench.answering("echo") not in (None, pid), "another process answers")
    assert bench.starts("echo") == 2
    one = inspect(bench.rollout)["echo"]
    assert one.healthy
    assert one.report.processes[0].restarts == 1
    assert "Restarted once, last at " in one.report.story
    assert "terminated by SIGKILL" in one.report.story


def test_a_server_killed_in_its_first_moments_again_and_again_is_not_given_up(bench: Bench) -> None:
    bench.up()
    for _ in range(launch.FREE_STARTS):
        before = bench.starts("echo")
        process = eventually(lambda: _process(bench, "echo"), "a process")
        bench.kill(process)
        eventually(lambda before=before: bench.starts("echo") > before, "started again")
    assert eventually(lambda: bench.answering("echo"), "it answers")


def test_killing_the_supervisor_leaves_no_orphan_and_the_next_command_brings_everything_back(bench: Bench) -> None:
    bench.up()
    supervisor = bench.driver.supervisor
    pids = [bench.pid("echo"), bench.pid("parrot")]
    bench.kill(supervisor.pid())
    eventually(lambda: not any(alive(pid) for pid in pids), "the servers end with their supervisor")
    assert supervisor.pid() is None
    change = bench.rollout.plan()["echo"]
    assert (change.state, change.reason) == (ReleaseState.DRIFTED, "Its supervisor is not running.")
    assert bench.statuses() == {"echo": "changed", "parrot": "changed"}
    assert bench.starts("echo") == 2
    assert [bench.pid("echo")] == launch.marked(supervisor.mark("echo", "echo"))


def test_reviving_restores_what_should_run_and_nothing_else(bench: Bench) -> None:
    assert frozenset() == bench.driver.revive()
    bench.up()
    bench.kill(bench.driver.supervisor.pid())
    assert {"echo", "parrot"} == bench.driver.revive()
    assert frozenset() == bench.driver.revive()
    assert eventually(lambda: bench.answering("parrot"), "parrot answers")
    assert bench.statuses() == {"echo": "unchanged", "parrot": "unchanged"}
    assert "ended without stopping it" in inspect(bench.rollout)["echo"].report.story


def test_what_a_killed_server_left_behind_is_gone_when_it_is_back(bench: Bench) -> None:
    bench.write(echo={"values": {"child": True}})
    bench.up()
    child = int((bench.home / "components/echo/data/child").read_text(encoding="utf-8"))
    bench.kill(bench.pid("echo"))
    eventually(lambda: bench.starts("echo") == 2, "started again")
    assert not alive(child)


def test_what_a_server_started_is_gone_after_down(bench: Bench) -> None:
    bench.write(echo={"values": {"child": True}})
    bench.up()
    child = int((bench.home / "components/echo/data/child").read_text(encoding="utf-8"))
    bench.down()
    assert not alive(child)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGHUP])
def test_servers_outlive_the_process_group_that_started_them(bench: Bench, how: signal.Signals) -> None:
    command = _deploy(bench.home, "wait")
    _read_until(command, "done")
    os.killpg(command.pid, how)
    command.communicate(timeout=20)
    assert bench.statuses() == {"echo": "unchanged", "parrot": "unchanged"}
    assert bench.starts("echo") == 1


def test_servers_do_not_descend_from_the_process_that_started_them(bench: Bench) -> None:
    """Whoever ends a run by ending all its descendants does not reach them."""
    command = _deploy(bench.home, "wait")
    _read_until(command, "done")
    assert psutil.Process(command.pid).children(recursive=True) == []
    command.kill()
    command.communicate(timeout=20)


def test_interrupting_a_deploy_is_continued_by_the_next(bench: Bench) -> None:
    command = _deploy(bench.home)
    # By then it is started and remembered; interrupted before, it is rightly started again.
    _read_until(command, "echo probing")
    os.killpg(command.pid, signal.SIGINT)
    command.communicate(timeout=30)
    assert command.returncode != 0
    outcomes = bench.up()
    assert all(outcome.succeeded for outcome in outcomes.values())
    assert bench.starts("echo") == 1


def test_of_two_deploys_at_once_one_is_refused_and_told_by_whom(bench: Bench) -> None:
    first = _deploy(bench.home, "wait")
    _read_until(first, "done")
    second = _deploy(bench.home)
    said, _ = second.communicate(timeout=30)
    assert LockedError.exit_code == second.returncode
    assert f"is being changed by a deploy script (process {first.pid}, since " in said
    assert first.pid == current_holder(bench.rollout.deployment).pid
    assert {ReleaseState.LOCKED} == {change.state for change in bench.rollout.plan()}
    first.kill()
    first.communicate(timeout=20)
    assert current_holder(bench.rollout.deployment) is None
    assert bench.statuses() == {"echo": "unchanged", "parrot": "unchanged"}


def test_the_writer_lock_excludes_threads_of_one_process_too(bench: Bench) -> None:
    deployment = bench.rollout.deployment
    with writer_lock(deployment, "one"), pytest.raises(LockedError, match="by one"), writer_lock(deployment, "two"):
        pass


def test_of_simultaneous_starts_exactly_one_supervisor_wins(bench: Bench) -> None:
    supervisors = [Supervisor(bench.home) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        started = list(pool.map(lambda one: one.ensure(), supervisors))
    assert started.count(True) == 1
    assert len({one.pid() for one in supervisors}) == 1
    assert len([path for path in Path("/proc").glob("[0-9]*/cwd") if _target(path) == bench.home / "run"]) == 1


def test_two_deployments_run_side_by_side_without_touching_each_other(
    bench_at: Callable[[Path], Bench], tmp_path: Path
) -> None:
    one, two = bench_at(tmp_path / "one"), bench_at(tmp_path / "two")
    with ThreadPoolExecutor(2) as pool:
        for outcomes in pool.map(lambda bench: bench.up(), (one, two)):
            assert all(outcome.succeeded for outcome in outcomes.values())
    pid = two.pid("echo")
    assert one.connection("echo")["port"] != two.connection("echo")["port"]
    one.down(delete_data=True)
    assert pid == two.pid("echo")
    two.kill(two.driver.supervisor.pid())
    assert two.statuses() == {"echo": "changed", "parrot": "changed"}


def test_a_deep_path_with_unusual_characters_is_no_obstacle(bench_at: Callable[[Path], Bench], tmp_path: Path) -> None:
    home = tmp_path / ("a rather long name; with 100% [strange] 'characters' #" * 3) / "home"
    home.mkdir(parents=True)
    bench = bench_at(home)
    assert bench.statuses() == {"echo": "changed", "parrot": "changed"}
    bench.kill(bench.driver.supervisor.pid())
    assert bench.statuses() == {"echo": "changed", "parrot": "changed"}
    bench.down()


def test_servers_see_nothing_of_the_environment_of_the_command(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-user")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    bench.up()
    for pid in (bench.pid("echo"), bench.driver.supervisor.pid()):
        environment = Path(f"/proc/{pid}/environ").read_text(encoding="utf-8")
        assert not {"AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "SSL_CERT_FILE"} & {
            line.partition("=")[0] for line in environment.split("\0")
        }


def test_servers_write_nowhere_but_into_their_own_directories(bench: Bench) -> None:
    bench.up()
    environment = Path(f"/proc/{bench.pid('echo')}/environ").read_text(encoding="utf-8")
    variables = dict(line.partition("=")[::2] for line in environment.split("\0"))
    assert {str(bench.home / "components/echo/tmp")} == {variables["HOME"], variables["TMPDIR"]}
    assert bench.home / "components/echo/data" == Path(f"/proc/{bench.pid('echo')}/cwd").readlink()


def _deploy(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(home), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _read_until(command: subprocess.Popen[str], line: str) -> None:
    for said in command.stdout:
        if said.strip() == line:
            return
    pytest.fail(f"the command ended without saying {line!r}")


def _target(link: Path) -> Path | None:
    try:
        return link.readlink()
    except OSError:  # ended meanwhile
        return None


def _process(bench: Bench, component: str) -> int:
    return next((p.pid for p in bench.driver.supervisor.processes() if p.component == component), 0)
