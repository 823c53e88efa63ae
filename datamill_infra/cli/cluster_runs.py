"""Start a job of the pipelines in the cluster that the deployment is on, and follow it from here."""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import TYPE_CHECKING

import dagster as dg
from sqlalchemy.exc import OperationalError

from datamill_infra.cli.following import INVOCATION_TAG, Follower, FollowingThread
from datamill_infra.cli.reports import RunReport, Status
from datamill_infra.cli.runs import blocked_by
from datamill_infra.drivers.reported import CAPABILITY
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.errors import ConfigurationError, UnhealthyError
from datamill_infra.orchestration.cluster_instance import cluster_instance
from datamill_infra.orchestration.launching import SILENT_SECONDS, end, launch
from datamill_infra.orchestration.web import DagsterWeb, dagster_component

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datamill_infra.cli.board import Board
    from datamill_infra.model.deployment import Deployment

POLL_SECONDS = 1.5
CANCEL_SECONDS = 90.0
"""How long a run that is to end may take for it; Dagster waits for its steps."""


def execute_there(
    deployment: Deployment,
    job: str,
    *,
    board: Board | None = None,
    assets: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    config: Mapping[str, object] | None = None,
) -> RunReport:
    """Run a job to its end; run and steps are jobs of the cluster.

    Args:
        deployment: on a cluster.
        job: its name.
        board: shows the steps while they run.
        assets: run only these assets of the job, as ``a/b``; all when empty.
        tags: for the run.
        config: run configuration.

    Returns:
        What came of it. A run that was interrupted is reported so, not raised.

    Raises:
        ConfigurationError: the deployment has no Dagster in the cluster, or it refuses the run.
        UnhealthyError: Dagster or its storage cannot be reached.
    """
    component = dagster_component(deployment)
    began = time.monotonic()
    invocation = uuid.uuid4().hex
    with contextlib.ExitStack() as stack:
        web = DagsterWeb(stack.enter_context(Rollout(deployment).door(CAPABILITY)))
        instance = stack.enter_context(cluster_instance(deployment, component))
        follower = Follower(board)
        following = FollowingThread(instance, invocation, follower, seconds=POLL_SECONDS)
        run_id = launch(web, job, assets=assets, tags={**(tags or {}), INVOCATION_TAG: invocation}, config=config)
        following.start()
        interrupted = False
        try:
            run = _wait(instance, run_id)
        except KeyboardInterrupt:
            interrupted = True
            run = _end(web, instance, run_id)
        finally:
            following.stop()
        follower.finish()
    return RunReport(
        run_id=run_id,
        job=job,
        status=_status(run, interrupted=interrupted),
        seconds=round(time.monotonic() - began, 2),
        steps=follower.steps,
        blocked_by=blocked_by(run),
        failure=follower.run_failure,
    )


def _wait(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    heard = time.monotonic()
    while True:
        try:
            run = instance.get_run_by_id(run_id)
        except OperationalError as error:
            if time.monotonic() - heard > SILENT_SECONDS:
                raise UnhealthyError(
                    f"Dagster's storage in the cluster does not answer; the run {run_id} may go on.",
                    instruction="`datamill status` says how it is.",
                ) from error
        else:
            heard = time.monotonic()
            if run is not None and run.is_finished:
                return run
        time.sleep(POLL_SECONDS)


def _end(web: DagsterWeb, instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    """Have a run ended, and wait for it for a while, or until the user has enough of that too."""
    end(web, run_id)
    deadline = time.monotonic() + CANCEL_SECONDS
    run = instance.get_run_by_id(run_id)
    with contextlib.suppress(KeyboardInterrupt):
        while run is not None and not run.is_finished and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            run = instance.get_run_by_id(run_id)
    if run is None:
        raise ConfigurationError(f"The run {run_id} was deleted.", instruction="Start it again.")
    return run


def _status(run: dg.DagsterRun, *, interrupted: bool) -> Status:
    if interrupted or run.status is dg.DagsterRunStatus.CANCELED:
        return "interrupted"
    if run.status is dg.DagsterRunStatus.SUCCESS:
        return "success"
    return "blocked" if blocked_by(run) else "failed"
