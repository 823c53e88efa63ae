"""Deploy and teardown jobs, run here with one display line per component."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from datamill_infra.cli.board import open_board
from datamill_infra.cli.reports import RunReport, StepReport
from datamill_infra.cli.streams import set_aside
from datamill_infra.cli.verdicts import kind_of, raise_for
from datamill_infra.model.jobs import deploy_job_name, teardown_job_name
from datamill_infra.model.told import SUMMARY, told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datamill_infra.cli.board import Board
    from datamill_infra.drivers.passes import Event
    from datamill_infra.model.deployment import Deployment

LOCATION = "datamill_infra.definitions"


def deploy(
    deployment: Deployment, components: Sequence[str], *, again: str, lossy: bool = False, quiet: bool = False
) -> RunReport:
    """Run the deploy job of a deployment for some components; where it would change nothing, no run is recorded.

    Args:
        deployment: which.
        components: in the order of display.
        again: the command line that repeats it.
        lossy: change definitions of kinds even when objects lose something by it.
        quiet: show nothing.

    Raises:
        DatamillError: not every component is healthy.
        KeyboardInterrupt: it was interrupted; what runs keeps running.
    """
    title = f"Bringing up {deployment.flavour} ({deployment.home})"
    config = {"ops": {"deploy": {"config": {"allow_crd_losses": True}}}} if lossy else None
    with set_aside(deployment.log_dir / "runs.log") as display:
        board = open_board(title, components, stream=display)
        with contextlib.nullcontext() if quiet else board:
            if (confirmed := _confirmed(deployment, components, board, quiet=quiet)) is not None:
                return confirmed
            assets = [f"infra/{name}" for name in components]
            job = deploy_job_name(deployment.flavour)
            report, ends = _run(deployment, job, board, quiet=quiet, assets=assets, config=config)
    _judge(report, ends, again)
    return report


def tear_down(
    deployment: Deployment, components: Sequence[str], *, delete_data: bool, again: str, quiet: bool = False
) -> RunReport:
    """Run the teardown job of a deployment.

    Args:
        deployment: which.
        components: these and what depends on them; all when empty.
        delete_data: delete what they keep, too.
        again: the command line that repeats it.
        quiet: show nothing.

    Raises:
        DatamillError: not every component could be stopped.
    """
    title = f"Taking down {deployment.flavour} ({deployment.home})"
    config = {
        "ops": {"teardown": {"config": {"components": list(components), "delete_data": delete_data}}},
    }
    with set_aside(deployment.log_dir / "runs.log") as display:
        board = open_board(title, stream=display)
        with contextlib.nullcontext() if quiet else board:
            report, ends = _run(deployment, teardown_job_name(deployment.flavour), board, quiet=quiet, config=config)
    _judge(report, ends, again)
    return report


def _confirmed(deployment: Deployment, components: Sequence[str], board: Board, *, quiet: bool) -> RunReport | None:
    """The report of a deploy that has nothing to do, and that Dagster need not hear of; ``None`` when it has."""
    from datamill_infra.drivers.lock import writer_lock
    from datamill_infra.drivers.reported import Reported
    from datamill_infra.drivers.rollout import Rollout

    def watch(event: Event) -> None:
        if not quiet:
            board.show(event.component, event.state, event.message)

    if not Reported(deployment).told(components):
        return None
    began = time.monotonic()
    whole = set(components) == set(deployment.resolution.components)
    with writer_lock(deployment, "datamill up"):
        outcomes = Rollout(deployment).confirm(None if whole else components, on_event=watch)
    if not outcomes:
        return None
    seconds = round(time.monotonic() - began, 2)
    summaries = {f"infra/{name}": str(told(one.message, changed=False)[SUMMARY]) for name, one in outcomes.items()}
    step = StepReport("deploy", list(summaries), "done", seconds, summaries=summaries, changed=False)
    return RunReport("", deploy_job_name(deployment.flavour), "success", seconds, {step.key: step})


def _run(
    deployment: Deployment,
    job: str,
    board: Board,
    *,
    quiet: bool,
    assets: Sequence[str] = (),
    config: Mapping[str, object] | None = None,
) -> tuple[RunReport, dict[str, Event]]:
    """Run a job; the last event of each component tells how it ended."""
    from datamill_infra.cli.runs import execute
    from datamill_infra.orchestration.watching import watched_by

    last: dict[str, Event] = {}

    def watch(event: Event) -> None:
        last[event.component] = event
        if not quiet:
            board.show(event.component, event.state, event.message)

    with watched_by(watch):
        report = execute(LOCATION, job, deployment.home, assets=assets, config=config)
    return report, last


def _judge(report: RunReport, ends: Mapping[str, Event], again: str) -> None:
    """Raise what the run came to; causes that the display has shown are not repeated."""
    from datamill_infra.drivers.passes import FAILURES

    bad = {name: event for name, event in ends.items() if event.state in FAILURES}
    if report.status != "failed" or not bad:
        raise_for(report, again=again)
        return
    failed = ", ".join(name for name, event in bad.items() if event.state == "failed")
    left = ", ".join(name for name, event in bad.items() if event.state == "skipped")
    instructions = "\n".join(dict.fromkeys(failure.instruction for _, failure in report.failures))
    raise kind_of(report)(
        f"Failed: {failed}." + (f" Left as they are, because they need what failed: {left}." if left else ""),
        instruction=f"{instructions}\nThen: {again}".strip(),
    )
