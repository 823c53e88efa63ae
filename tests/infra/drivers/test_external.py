"""Components that somebody else runs: probed, never started, stopped or removed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from infra.drivers.bench import Bench, alive

from datamill_infra.drivers.inspection import inspect
from datamill_infra.model.errors import UnhealthyError
from datamill_infra.model.states import ReleaseState


@pytest.fixture
def bring_your_own(
    bench_at: Callable[[Path], Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Bench, Bench]:
    """A deployment whose echo is that of another deployment."""
    theirs, ours = bench_at(tmp_path / "theirs"), bench_at(tmp_path / "ours")
    theirs.up("echo")
    connection = theirs.connection("echo")
    monkeypatch.setenv("THEIR_PASSWORD", connection.text("password"))
    ours.write(
        echo={
            "provider": "external",
            "connection": {"echo": {"host": connection["host"], "port": connection["port"]}},
            "secrets": {"password": {"env": "THEIR_PASSWORD"}},
        }
    )
    return theirs, ours


def test_an_external_component_is_probed_published_and_given_claims(bring_your_own: tuple[Bench, Bench]) -> None:
    theirs, ours = bring_your_own
    assert ours.statuses() == {"echo": "changed", "parrot": "changed"}
    assert theirs.connection("echo").values == ours.connection("echo").values
    assert (theirs.home / "components/echo/data/claims").read_text(encoding="utf-8") == "perch\nperch-for-echo\n"
    assert ours.statuses() == {"echo": "unchanged", "parrot": "unchanged"}


def test_an_external_component_is_neither_started_nor_stopped(bring_your_own: tuple[Bench, Bench]) -> None:
    theirs, ours = bring_your_own
    ours.up()
    assert ours.driver.supervisor.components() == ["parrot"]
    ours.down(delete_data=True)
    assert theirs.starts("echo") == 1
    assert theirs.pid("echo")


def test_an_external_component_that_is_down_fails_at_once_and_says_that_it_is_not_ours_to_start(
    bring_your_own: tuple[Bench, Bench],
) -> None:
    theirs, ours = bring_your_own
    ours.up()
    theirs.down()
    outcomes = ours.up()
    assert (outcomes["echo"].status, outcomes["parrot"].status) == ("failed", "skipped")
    assert "it runs elsewhere and is not started from here" in outcomes["echo"].message
    assert not inspect(ours.rollout)["echo"].healthy
    theirs.up("echo")
    assert all(outcome.succeeded for outcome in ours.up().values())


def test_a_secret_is_read_when_it_is_deployed_and_remembered(
    bring_your_own: tuple[Bench, Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ours = bring_your_own
    ours.up()
    monkeypatch.delenv("THEIR_PASSWORD")
    assert ours.statuses() == {"echo": "unchanged", "parrot": "unchanged"}


def test_a_rotated_secret_is_drift_and_read_again(bring_your_own: tuple[Bench, Bench]) -> None:
    theirs, ours = bring_your_own
    ours.up()
    stored = json.loads((ours.home / "state/secrets.json").read_text(encoding="utf-8"))
    (ours.home / "state/secrets.json").write_text(json.dumps({**stored, "echo.password": "older"}), encoding="utf-8")
    change = ours.rollout.plan()["echo"]
    assert (
        change.state,
        change.reason,
    ) == (ReleaseState.DRIFTED, "$THEIR_PASSWORD has another value than when it was read.")
    assert ours.statuses("echo")["echo"] == "changed"
    assert theirs.connection("echo").text("password") == ours.connection("echo").text("password")


def test_a_secret_that_is_nowhere_is_an_error_that_says_where_it_was_looked_for(
    bring_your_own: tuple[Bench, Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ours = bring_your_own
    monkeypatch.delenv("THEIR_PASSWORD")
    outcome = ours.up()["echo"]
    assert "is to be read from the environment variable THEIR_PASSWORD, which is not there" in outcome.message


def test_wrong_credentials_are_not_health(bring_your_own: tuple[Bench, Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    _, ours = bring_your_own
    monkeypatch.setenv("THEIR_PASSWORD", "wrong")
    outcome = ours.up()["echo"]
    assert isinstance(outcome.error, UnhealthyError)
    assert "401" in outcome.message


def test_a_component_that_becomes_external_is_stopped_here_and_back_again(
    bring_your_own: tuple[Bench, Bench],
) -> None:
    theirs, ours = bring_your_own
    outside = (ours.home / "deployment.yaml").read_text(encoding="utf-8")
    ours.write()
    ours.up()
    own = ours.pid("echo"), ours.connection("echo").text("password")
    (ours.home / "deployment.yaml").write_text(outside, encoding="utf-8")
    assert ours.statuses() == {"echo": "changed", "parrot": "changed"}
    assert not alive(own[0])
    assert ours.pid("echo") == theirs.pid("echo")
    ours.write()
    assert ours.statuses() == {"echo": "changed", "parrot": "changed"}
    assert ours.connection("echo").text("password") not in (own[1], theirs.connection("echo").text("password"))
    assert ours.starts("echo") == 2


def test_what_was_applied_is_taken_down_by_whom_it_was_applied(bring_your_own: tuple[Bench, Bench]) -> None:
    _, ours = bring_your_own
    outside = (ours.home / "deployment.yaml").read_text(encoding="utf-8")
    ours.write()
    ours.up()
    pid = ours.pid("echo")
    (ours.home / "deployment.yaml").write_text(outside, encoding="utf-8")
    ours.down()
    assert not alive(pid)
