"""up, status, plan, down and their refusals, as a user runs them, on two tiny real servers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from datamill_infra.cli import space
from datamill_infra.cli.failures import INTERRUPTED
from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.reported import Reported
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable

DATAMILL = [sys.executable, "-c", "from datamill_infra.cli import main; main()"]
SECONDS = 120


def environment(home: Path) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"} | {"DATAMILL_HOME": str(home)}


def datamill(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DATAMILL, *arguments], capture_output=True, text=True, timeout=SECONDS, env=environment(home), check=False
    )


def read(home: Path, *arguments: str) -> Any:  # noqa: ANN401  JSON
    return json.loads(datamill(home, *arguments, "--json").stdout)


def pid_of(home: Path, component: str) -> int:
    pid = Rollout(Deployment.load(home)).driver(component).report(component).processes[0].pid
    assert pid is not None
    return pid


def runs_of(home: Path) -> int:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return instance.get_runs_count()


def choose(home: Path, component: str, values: str) -> None:
    (home / "deployment.yaml").write_text(
        f"flavour: marsh\ncomponents: {{{component}: {{values: {values}}}}}\n", encoding="utf-8"
    )


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def replace_probe(home: Path, component: str, reason: str) -> None:
    """From now on, the probe of a component fails."""
    (home / "catalogue" / component / f"capability_{component}.py").write_text(
        "from datamill_infra.model.errors import UnhealthyError\n"
        f"def probe(connection, *, timeout):\n    raise UnhealthyError({reason!r}, instruction='Wait.')\n"
        "def environment(connection):\n    return {}\n",
        encoding="utf-8",
    )


@pytest.fixture(scope="module")
def deployed(shared_marsh: Path) -> Path:
    """Both servers run."""
    up = datamill(shared_marsh, "up")
    assert up.returncode == 0, up.stderr
    assert "pond: healthy" in up.stdout
    assert "frog: healthy" in up.stdout
    return shared_marsh


def test_status_says_what_up_brought(deployed: Path) -> None:
    status = read(deployed, "status")
    assert {name: one["health"] for name, one in status["components"].items()} == {"pond": "healthy", "frog": "healthy"}


def test_a_second_up_changes_nothing_and_says_so(deployed: Path) -> None:
    before, runs = pid_of(deployed, "pond"), runs_of(deployed)
    again = datamill(deployed, "up")
    assert "nothing had to be changed" in again.stdout
    assert "pond: unchanged" in again.stdout
    assert (before, runs) == (pid_of(deployed, "pond"), runs_of(deployed))


def test_what_a_deploy_did_not_get_to_tell_the_next_up_tells_by_a_run(deployed: Path) -> None:
    runs = runs_of(deployed)
    Reported(Deployment.load(deployed)).owe(["frog"])
    assert read(deployed, "up", "-c", "pond")["run_id"] == ""
    assert "nothing had to be changed" in datamill(deployed, "up").stdout
    assert runs + 1 == runs_of(deployed)
    assert read(deployed, "up")["run_id"] == ""
    assert runs + 1 == runs_of(deployed)


def test_plan_ends_with_2_while_there_are_changes_and_0_otherwise(deployed: Path) -> None:
    assert datamill(deployed, "plan").returncode == 0
    choose(deployed, "frog", "{works: false}")
    changed = datamill(deployed, "plan")
    (deployed / "deployment.yaml").write_text("flavour: marsh\n", encoding="utf-8")
    assert changed.returncode == 2
    assert "values.works: true -> false" in changed.stdout


def test_status_tells_what_is_unhealthy_since_when_why_and_what_repairs_it(deployed: Path) -> None:
    module = deployed / "catalogue" / "frog" / "capability_frog.py"
    before = module.read_bytes()
    replace_probe(deployed, "frog", "it croaks no more.")
    status = datamill(deployed, "status")
    module.write_bytes(before)
    assert status.returncode == 1
    assert "frog is unhealthy since" in status.stdout
    assert "it croaks no more." in status.stdout
    assert "repair: datamill up -c frog" in status.stdout


def test_a_killed_server_comes_back_and_status_tells_the_story(deployed: Path) -> None:
    os.kill(pid_of(deployed, "pond"), signal.SIGKILL)
    until(lambda: read(deployed, "status")["components"]["pond"]["health"] == "healthy", "pond did not come back")
    assert "SIGKILL" in read(deployed, "status")["components"]["pond"]["story"]


def test_the_next_command_brings_everything_back_after_the_supervisor_was_killed(deployed: Path) -> None:
    supervisor = Rollout(Deployment.load(deployed)).drivers["embedded"].supervisor.pid()  # type: ignore[attr-defined]
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: Rollout(Deployment.load(deployed)).driver("pond").report("pond").processes[0].pid is None, "alive")
    status = datamill(deployed, "status")
    assert "The supervisor had been killed" in status.stderr
    assert status.returncode == 0, status.stdout


def test_up_is_refused_while_another_command_writes(deployed: Path) -> None:
    with writer_lock(Deployment.load(deployed), "datamill up in another terminal"):
        refused = datamill(deployed, "up")
    assert refused.returncode == 4
    assert "datamill up in another terminal" in refused.stderr


def test_logs_prints_what_a_component_wrote(deployed: Path) -> None:
    assert "GET / HTTP" in datamill(deployed, "logs", "pond", "-n", "5").stdout


def test_env_prints_connections_and_shell_sets_them(deployed: Path) -> None:
    exported = datamill(deployed, "env").stdout
    assert "export POND_URL=http://127.0.0.1:" in exported
    assert f"export DAGSTER_HOME={deployed}" in exported
    inside = datamill(deployed, "shell", "--", "sh", "-c", "echo $POND_URL; exit 7")
    assert inside.stdout.strip() in exported
    assert inside.returncode == 7


def test_deleting_data_without_a_terminal_must_be_confirmed(deployed: Path) -> None:
    refused = datamill(deployed, "down", "--delete-data")
    assert refused.returncode == 64
    assert "--yes" in refused.stderr
    assert pid_of(deployed, "pond")


def test_an_unknown_component_is_refused_with_the_nearest(deployed: Path) -> None:
    refused = datamill(deployed, "up", "-c", "prog")
    assert refused.returncode == 5
    assert "Did you mean 'frog'?" in refused.stderr


def test_a_component_outside_the_flavour_becomes_part_of_the_deployment(marsh: Path) -> None:
    (marsh / "deployment.yaml").write_text("flavour: puddle\n", encoding="utf-8")
    assert datamill(marsh, "up", "-c", "frog").returncode == 0
    assert Deployment.load(marsh).extra == ("frog",)
    assert {"pond", "frog"} == set(json.loads((marsh / "state" / "connections.json").read_text(encoding="utf-8")))


def test_a_failed_component_is_told_and_the_others_stay_up(marsh: Path) -> None:
    choose(marsh, "frog", "{works: false}")
    up = datamill(marsh, "up")
    assert up.returncode == 1
    assert "pond: healthy" in up.stdout
    assert "Failed: frog." in up.stderr
    assert "datamill logs frog" in up.stderr
    assert read(marsh, "status")["components"]["pond"]["health"] == "healthy"


@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGKILL, -signal.SIGKILL)])
def test_what_runs_keeps_running_when_up_is_ended(marsh: Path, number: int, code: int) -> None:
    replace_probe(marsh, "frog", "not yet.")
    with (marsh / "out").open("w", encoding="utf-8") as out:
        up = subprocess.Popen([*DATAMILL, "up"], env=environment(marsh), stdout=out, stderr=out, start_new_session=True)
    until(lambda: "frog: probing" in (marsh / "out").read_text(encoding="utf-8"), "frog was not probed")
    os.killpg(up.pid, number)
    assert code == up.wait(SECONDS), (marsh / "out").read_text(encoding="utf-8")
    assert pid_of(marsh, "pond")
    assert pid_of(marsh, "frog")


def test_down_keeps_data_and_deleting_leaves_only_what_the_user_wrote(tmp_path: Path, marsh: Path) -> None:
    new = tmp_path / "new"
    (new / "catalogue").mkdir(parents=True)
    (new / "flavours").mkdir()
    shutil.copytree(marsh / "catalogue" / "pond", new / "catalogue" / "pond")
    shutil.copy(marsh / "flavours" / "puddle.yaml", new / "flavours")
    assert datamill(new, "up", "puddle").returncode == 0
    assert (new / "dagster.yaml").is_symlink()
    (new / "components" / "pond" / "data" / "lily").write_text("x", encoding="utf-8")
    assert datamill(new, "down").returncode == 0
    assert (new / "components" / "pond" / "data" / "lily").exists()
    assert read(new, "status")["components"]["pond"]["health"] == "absent"
    assert datamill(new, "down", "--delete-data", "--yes").returncode == 0
    assert {"catalogue", "flavours", "deployment.yaml"} == {path.name for path in new.iterdir()}


def test_an_unknown_component_is_refused_with_the_nearest_and_nothing_is_written(tmp_path: Path) -> None:
    refused = datamill(tmp_path / "none", "up", "-c", "kafak")
    assert refused.returncode == 5
    assert "Did you mean 'kafka'?" in refused.stderr
    assert not (tmp_path / "none").exists()


def test_an_unknown_flavour_is_refused_with_the_nearest_and_nothing_is_written(tmp_path: Path) -> None:
    refused = datamill(tmp_path / "none", "up", "dmeo")
    assert refused.returncode == 5
    assert "Did you mean 'demo'?" in refused.stderr
    assert not (tmp_path / "none").exists()


def test_a_typo_in_a_flavour_file_is_refused_with_file_and_key(marsh: Path) -> None:
    (marsh / "flavours" / "marsh.yaml").write_text(
        "title: Marsh\nsummary: Two servers.\ncomponets: [frog, pond]\n", encoding="utf-8"
    )
    refused = datamill(marsh, "up")
    assert refused.returncode == 5
    assert "marsh.yaml:3" in refused.stderr
    assert "componets" in refused.stderr
    assert "components" in refused.stderr
    assert not (marsh / "state").exists()


def test_dagster_without_a_home_is_refused_with_an_instruction() -> None:
    clean = {key: value for key, value in os.environ.items() if key not in {"DAGSTER_HOME", "DATAMILL_HOME"}}
    refused = subprocess.run(
        [sys.executable, "-m", "dagster", "job", "execute", "-m", "datamill_infra.definitions", "-j", "deploy_demo"],
        capture_output=True,
        text=True,
        env=clean,
        timeout=SECONDS,
        check=False,
    )
    assert refused.returncode != 0
    assert "DAGSTER_HOME is not set" in refused.stderr + refused.stdout
    assert "datamill env" in refused.stderr + refused.stdout


def test_dagster_itself_runs_the_same_job(marsh: Path) -> None:
    executed = subprocess.run(
        [sys.executable, "-m", "dagster", "job", "execute", "-m", "datamill_infra.definitions", "-j", "deploy_marsh"],
        capture_output=True,
        text=True,
        env={**os.environ, "DAGSTER_HOME": str(marsh)},
        timeout=SECONDS,
        check=False,
    )
    assert executed.returncode == 0, executed.stderr
    assert read(marsh, "status")["components"]["frog"]["health"] == "healthy"


def test_a_full_disk_is_refused_before_anything_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "NEEDED_BYTES", 2**62)
    with pytest.raises(PlatformError, match="is full") as refused:
        space.require_space(tmp_path / "home")
    assert "Free some space" in refused.value.instruction
