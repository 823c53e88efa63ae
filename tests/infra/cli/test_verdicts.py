"""What a finished run means for the command: exit codes survive the run that they ended."""

from __future__ import annotations

import pytest

from datamill_infra.cli import rollouts
from datamill_infra.cli.reports import Failure, RunReport, Status, StepReport, is_interrupt
from datamill_infra.cli.verdicts import raise_for
from datamill_infra.drivers.passes import Event
from datamill_infra.model.errors import BlockedError, ConfigurationError, LockedError, PlatformError


def report(status: Status, failure: Failure | None = None, blocked_by: tuple[str, ...] = ()) -> RunReport:
    step = StepReport("deploy", state="failed", failure=failure)
    return RunReport("r1", "deploy_demo", status, 1.0, {"deploy": step}, blocked_by)


def test_a_successful_run_raises_nothing() -> None:
    raise_for(report("success"), again="datamill up")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("LockedError", LockedError),
        ("ConfigurationError", ConfigurationError),
        ("PlatformError", PlatformError),
        ("KeyError", PlatformError),
    ],
)
def test_the_error_that_a_step_named_is_raised_again(name: str, kind: type[Exception]) -> None:
    with pytest.raises(kind) as raised:
        raise_for(report("failed", Failure("no", "Do this.", name)), again="datamill up")
    assert "Do this." in str(raised.value)


def test_a_deploy_whose_causes_were_shown_ends_with_their_exit_code() -> None:
    failed = {"frog": Event("frog", "failed", "Somebody else is at work.", 0.0)}
    with pytest.raises(LockedError, match="Failed: frog"):
        rollouts._judge(report("failed", Failure("no", "Wait.", "LockedError")), failed, "datamill up")


def test_a_blocked_run_names_repair_and_the_command_to_repeat() -> None:
    failure = Failure("kafka is away", "datamill up -c kafka", "BlockedError")
    with pytest.raises(BlockedError) as raised:
        raise_for(report("blocked", failure, ("kafka",)), again="datamill run x")
    assert "datamill up -c kafka" in raised.value.instruction
    assert "datamill run x" in raised.value.instruction


def test_an_interrupted_run_is_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt):
        raise_for(report("interrupted"), again="datamill up")


@pytest.mark.parametrize("name", ["DagsterExecutionInterruptedError", "KeyboardInterrupt"])
def test_what_dagster_records_as_a_failure_is_recognised_as_an_interrupt(name: str) -> None:
    assert is_interrupt(Failure("", error=name))
    assert not is_interrupt(Failure("", error="PlatformError"))
    assert not is_interrupt(None)
