"""Up and down of a deployment on real, small servers."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from pathlib import Path

import pytest
from infra.drivers.bench import Bench, alive

from datamill_infra.drivers import rollout
from datamill_infra.drivers.inspection import inspect
from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.passes import Event
from datamill_infra.drivers.turns import Turns
from datamill_infra.model.errors import PortTakenError, UnhealthyError
from datamill_infra.model.plan import Action
from datamill_infra.model.states import ReleaseState


def test_everything_is_healthy_and_published_after_up(bench: Bench) -> None:
    assert bench.statuses() == {"echo": "changed", "parrot": "changed"}
    assert bench.greeting("echo") == "says hello"
    assert f"says I heard {bench.connection('echo')['port']}" == bench.greeting("parrot")


def test_a_second_up_changes_nothing_and_writes_nothing(bench: Bench) -> None:
    bench.up()
    before = {path: path.stat().st_mtime_ns for path in _lasting_files(bench.home)}
    pids = bench.pid("echo"), bench.pid("parrot")
    assert bench.statuses() == {"echo": "unchanged", "parrot": "unchanged"}
    assert before == {path: path.stat().st_mtime_ns for path in _lasting_files(bench.home)}
    assert pids == (bench.pid("echo"), bench.pid("parrot"))
    assert not bench.rollout.plan().has_changes


def test_what_is_as_wanted_is_confirmed_without_applying_anything(bench: Bench) -> None:
    assert {} == bench.rollout.confirm()
    bench.up()
    heard: list[Event] = []
    before = {path: path.stat().st_mtime_ns for path in _lasting_files(bench.home)}
    outcomes = bench.rollout.confirm(on_event=heard.append)
    assert {"echo": "unchanged", "parrot": "unchanged"} == {name: one.status for name, one in outcomes.items()}
    assert [ReleaseState.IN_SYNC] * 2 == [one.change.state for one in outcomes.values() if one.change]
    assert {"unchanged"} == {event.state for event in heard if event.outcome}
    assert before == {path: path.stat().st_mtime_ns for path in _lasting_files(bench.home)}


def test_what_is_not_as_wanted_is_not_confirmed_and_left_as_it_is(bench: Bench) -> None:
    bench.up()
    bench.write(echo={"values": {"greeting": "ahoy"}})
    assert {} == bench.rollout.confirm()
    assert bench.greeting("echo") == "says hello"
    bench.write()
    bench.driver.settled("echo", "It did not answer.")
    assert {} == bench.rollout.confirm()
    bench.up()
    parrot = bench.pid("parrot")
    (bench.home / "flavours" / "birds.yaml").write_text("title: Birds\nsummary: One.\ncomponents: [echo]\n")
    assert {} == bench.rollout.confirm()
    assert alive(parrot)
    assert {"echo"} == bench.rollout.confirm(["echo"]).keys()


def test_what_runs_and_does_not_answer_is_not_confirmed(bench: Bench) -> None:
    bench.up()
    heard: list[Event] = []
    pid = bench.pid("echo")
    os.kill(pid, signal.SIGSTOP)
    try:
        assert {} == bench.rollout.confirm(on_event=heard.append)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert [] == [event for event in heard if event.component == "echo" and event.outcome]
    assert pid == bench.pid("echo")


def test_a_dependant_starts_only_after_what_it_needs_is_healthy(bench: Bench) -> None:
    events: list[Event] = []
    bench.up(on_event=events.append)
    order = [(event.component, event.state) for event in events]
    assert order.index(("echo", "healthy")) < order.index(("parrot", "checking"))


def test_turns_are_for_what_starts_and_go_by_what_a_start_may_take(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.home / "catalogue" / "nest").mkdir(parents=True)
    nest = "title: Nest\nsummary: No process.\nhomepage: https://example.org\nlicence: MIT\nembedded: {entry: null}\n"
    (bench.home / "catalogue" / "nest" / "component.yaml").write_text(nest)
    birds = "title: Birds\nsummary: All.\ncomponents: [echo, parrot, nest]\n"
    (bench.home / "flavours" / "birds.yaml").write_text(birds)
    lengths: list[object] = []
    monkeypatch.setattr(rollout, "Turns", lambda needs, given: lengths.append(given) or Turns(needs, given))
    assert {"echo": "changed", "nest": "changed", "parrot": "changed"} == bench.statuses()
    assert {"echo": "unchanged", "nest": "unchanged", "parrot": "unchanged"} == bench.statuses()
    assert [{"echo": 20.0, "nest": 0.0, "parrot": 20.0}, {}] == lengths


def test_a_claim_is_provisioned_at_the_provider_as_consumer_and_as_owner(bench: Bench) -> None:
    bench.up()
    claims = (bench.home / "components" / "echo" / "data" / "claims").read_text(encoding="utf-8")
    assert ["perch", "perch-for-echo"] == claims.split()


def test_a_failure_stops_only_what_depends_on_it(bench: Bench) -> None:
    bench.write(parrot={"values": {"crash": True}})
    outcomes = bench.up()
    assert (outcomes["echo"].status, outcomes["parrot"].status) == ("changed", "failed")
    bench.down()
    bench.write(echo={"values": {"crash": True}})
    outcomes = bench.up()
    assert (outcomes["echo"].status, outcomes["parrot"].status) == ("failed", "skipped")
    assert outcomes["parrot"].message == "Left as it is, because of echo."


def test_a_server_that_cannot_start_is_reported_with_the_end_of_its_log_before_the_budget_is_used_up(
    bench: Bench,
) -> None:
    bench.write(echo={"values": {"crash": True}})
    outcome = bench.up("echo")["echo"]
    assert isinstance(outcome.error, UnhealthyError)
    assert "ends again and again" in outcome.message
    assert "exit status 3" in outcome.message
    assert "cannot go on: the flux is out of tune" in outcome.message
    assert "datamill logs echo" in outcome.error.instruction


def test_a_failed_component_is_repaired_by_correcting_its_values(bench: Bench) -> None:
    bench.write(echo={"values": {"crash": True}})
    bench.up()
    assert bench.rollout.plan()["echo"].state == ReleaseState.FAILED
    bench.write()
    assert bench.statuses() == {"echo": "changed", "parrot": "changed"}


def test_what_was_seen_is_handed_on_unless_it_was_a_failure_that_is_over(bench: Bench) -> None:
    bench.up()
    assert bench.rollout.plan()["echo"].state == ReleaseState.IN_SYNC
    seen = bench.up()["echo"].observed
    assert seen is not None
    assert seen.failure is None
    bench.driver.settled("echo", "It did not answer.")
    outcome = bench.up()["echo"]
    assert ("unchanged", None) == (outcome.status, outcome.observed)
    assert bench.rollout.plan()["echo"].state == ReleaseState.IN_SYNC


def test_a_changed_value_restarts_the_component_and_keeps_its_data(bench: Bench) -> None:
    bench.up()
    bench.write(echo={"values": {"greeting": "ahoy"}})
    change = bench.rollout.plan()["echo"]
    assert (change.action, change.differences[0].key) == (Action.UPDATE, "values.greeting")
    assert bench.statuses() == {"echo": "changed", "parrot": "unchanged"}
    assert bench.greeting("echo") == "says ahoy"
    assert bench.starts("echo") == 2


def test_a_config_file_changed_by_hand_is_drift_and_up_restores_it(bench: Bench) -> None:
    bench.up()
    file = bench.home / "components" / "echo" / "config" / "settings.json"
    written = file.read_text(encoding="utf-8")
    file.write_text(written.replace("hello", "boo"), encoding="utf-8")
    change = bench.rollout.plan()["echo"]
    assert (change.state, change.action) == (ReleaseState.DRIFTED, Action.RESTART)
    assert str(file) in change.reason
    bench.up()
    assert written == file.read_text(encoding="utf-8")


def test_a_stopped_process_is_drift(bench: Bench) -> None:
    bench.up()
    supervisor = bench.driver.supervisor
    with supervisor._connection() as server:
        server.supervisor.stopProcess("echo:echo")
    assert "echo is not running." in bench.rollout.plan()["echo"].reason
    assert bench.statuses()["echo"] == "changed"


def test_a_foreign_process_on_the_port_is_refused_and_named(bench: Bench) -> None:
    bench.up()
    port = bench.connection("echo")["port"]
    bench.down()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        assert bench.rollout.plan()["echo"].state == ReleaseState.UNMANAGED
        outcome = bench.up()["echo"]
        assert isinstance(outcome.error, PortTakenError)
        assert f"process {os.getpid()} (" in outcome.message
        assert "ports.json" in outcome.error.instruction
        assert bench.driver.supervisor.components() == []
    assert bench.statuses() == {"echo": "changed", "parrot": "changed"}


def test_a_foreign_process_that_takes_the_port_of_a_dead_server_is_drift(bench: Bench) -> None:
    bench.up()
    port = bench.connection("echo")["port"]
    supervisor = bench.driver.supervisor
    with supervisor._connection() as server:
        server.supervisor.stopProcess("echo:echo")
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        assert f"On its port http ({port}) listens process" in bench.rollout.plan()["echo"].reason


def test_a_moved_port_is_a_way_out_and_reaches_the_dependants(bench: Bench) -> None:
    bench.up()
    old = bench.connection("echo")["port"]
    bench.down()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", old))
        squatter.listen()
        ports = json.loads((bench.home / "state" / "ports.json").read_text(encoding="utf-8"))
        del ports["echo"]
        (bench.home / "state" / "ports.json").write_text(json.dumps(ports), encoding="utf-8")
        assert bench.statuses() == {"echo": "changed", "parrot": "changed"}
    new = bench.connection("echo")["port"]
    assert old != new
    assert f"says I heard {new}" == bench.greeting("parrot")


def test_down_keeps_the_data_and_the_address(bench: Bench) -> None:
    bench.up()
    port = bench.connection("echo")["port"]
    outcomes = bench.down()
    assert list(outcomes) == ["parrot", "echo"]
    assert {"removed"} == {outcome.status for outcome in outcomes.values()}
    assert bench.driver.supervisor.pid() is None
    bench.up()
    assert port == bench.connection("echo")["port"]
    assert bench.starts("echo") == 2


def test_down_of_one_component_takes_what_depends_on_it_first(bench: Bench) -> None:
    bench.up()
    assert list(bench.down("echo")) == ["parrot", "echo"]
    bench.up()
    assert list(bench.down("parrot")) == ["parrot"]
    assert bench.pid("echo")


def test_down_with_delete_data_leaves_what_the_user_wrote_and_nothing_else(bench: Bench) -> None:
    bench.up()
    pid, supervisor = bench.pid("echo"), bench.driver.supervisor.pid()
    user_files = {path for path in bench.home.rglob("*") if path.is_file()} & {
        path
        for name in ("deployment.yaml", "catalogue", "flavours")
        for path in [bench.home / name, *(bench.home / name).rglob("*")]
    }
    bench.down(delete_data=True)
    left = {path for path in bench.home.rglob("*") if path.is_file()}
    assert {bench.home / "state" / "writer.lock"} == left - user_files
    assert not alive(pid)
    assert not alive(supervisor)


def test_down_twice_is_no_error(bench: Bench) -> None:
    bench.up()
    bench.down()
    assert {"removed"} == {outcome.status for outcome in bench.down().values()}


def test_a_component_that_left_the_deployment_is_removed_by_up(bench: Bench) -> None:
    bench.up()
    pid = bench.pid("parrot")
    (bench.home / "flavours" / "birds.yaml").write_text("title: Birds\nsummary: One.\ncomponents: [echo]\n")
    assert bench.rollout.plan()["parrot"].action == Action.REMOVE
    assert bench.statuses() == {"echo": "unchanged", "parrot": "removed"}
    assert not alive(pid)
    assert (bench.home / "components" / "parrot" / "data").exists()


def test_secrets_are_generated_once_and_only_in_private_files(bench: Bench) -> None:
    bench.up()
    password = json.loads((bench.home / "state" / "secrets.json").read_text(encoding="utf-8"))["echo.password"]
    bench.down()
    bench.up()
    assert password == bench.connection("echo").text("password")
    holding = [
        path for path in _state_files(bench.home) if password in path.read_text(encoding="utf-8", errors="replace")
    ]
    assert {"secrets.json", "settings.json", "echo.json"} == {path.name for path in holding}
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in holding}
    for pid in (bench.pid("echo"), bench.driver.supervisor.pid()):
        for name in ("cmdline", "environ"):
            content = Path(f"/proc/{pid}/{name}").read_bytes()
            assert (password.encode() in content) == (name == "environ" and pid == bench.pid("echo"))


def test_a_killed_command_is_continued_where_it_ended(bench: Bench) -> None:
    """Killed between the start of a server and its first answer: the next command waits for it and leaves it alone."""
    driver, rollout = bench.driver, bench.rollout
    with writer_lock(rollout.deployment, "a test"):
        rollout._allocate(["echo", "parrot"])
        driver.workspace.secret_store.ensure(["echo.password", "parrot.password"])
        driver.apply("echo")
    assert bench.statuses()["echo"] == "unchanged"
    assert bench.starts("echo") == 1


def test_a_command_killed_before_the_start_is_started_by_the_next(bench: Bench) -> None:
    driver, rollout = bench.driver, bench.rollout
    with writer_lock(rollout.deployment, "a test"):
        rollout._allocate(["echo", "parrot"])
        driver.workspace.secret_store.ensure(["echo.password", "parrot.password"])
        driver.apply("echo")
        driver.supervisor.drop("echo")
    assert bench.statuses()["echo"] == "changed"


@pytest.mark.long
def test_a_server_that_hangs_is_restarted_by_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.up()
    pid = bench.pid("echo")
    os.kill(pid, signal.SIGSTOP)
    rollout = bench.rollout
    monkeypatch.setattr(rollout.drivers["embedded"], "starting", lambda _: False)  # as if its budget had passed
    with writer_lock(rollout.deployment, "a test"):
        assert rollout.up(["echo"])["echo"].status == "changed"
    assert pid != bench.pid("echo")


def test_cancelling_ends_the_wait_and_leaves_the_server_running(bench: Bench) -> None:
    rollout = bench.rollout
    rollout.drivers["embedded"].probe = _never  # type: ignore[method-assign]

    def watch(event: Event) -> None:
        if event.state == "probing":
            rollout.cancel()

    with writer_lock(rollout.deployment, "a test"):
        outcome = rollout.up(["echo"], on_event=watch)["echo"]
    assert (outcome.status, outcome.error.exit_code) == ("failed", 130)
    assert bench.rollout.plan()["echo"].state == ReleaseState.IN_SYNC
    assert bench.statuses()["echo"] == "unchanged"


def test_inspection_tells_state_health_and_address(bench: Bench) -> None:
    before = inspect(bench.rollout)
    assert {ReleaseState.ABSENT} == {one.change.state for one in before.values()}
    assert not before["echo"].healthy
    bench.up()
    one = inspect(bench.rollout)["echo"]
    assert (one.healthy, one.change.state) == (True, ReleaseState.IN_SYNC)
    assert {"http": f"127.0.0.1:{bench.connection('echo')['port']}"} == one.report.addresses
    assert bench.pid("echo") == one.report.processes[0].pid
    assert bench.driver.logs("echo", 10) == ["echo starts"]


def test_inspection_tells_since_when_a_component_fails(bench: Bench) -> None:
    bench.write(echo={"values": {"crash": True}})
    bench.up()
    first = inspect(bench.rollout, ["echo"])["echo"]
    assert not first.healthy
    assert "does not answer" in first.error.reason
    bench.up()
    assert first.failing_since == inspect(bench.rollout, ["echo"])["echo"].failing_since


def test_lost_secrets_are_drift_and_up_generates_new_ones(bench: Bench) -> None:
    bench.up()
    (bench.home / "state" / "secrets.json").unlink()
    one = inspect(bench.rollout)["echo"]
    assert (one.healthy, one.change.reason) == (False, "The secret echo.password is gone.")
    assert bench.statuses() == {"echo": "changed", "parrot": "changed"}


def _never(_component: str) -> dict[str, object]:
    raise UnhealthyError("not yet", instruction="Wait.")


def _state_files(home: Path) -> list[Path]:
    return [
        path
        for folder in ("state", "run", "components", "log")
        for path in (home / folder).rglob("*")
        if path.is_file()
    ]


def _lasting_files(home: Path) -> list[Path]:
    """All files but the lock's own, and what the servers write."""
    return [path for path in _state_files(home) if "writer" not in path.name and not {"data", "log"} & set(path.parts)]


pytestmark = pytest.mark.timeout(120)
