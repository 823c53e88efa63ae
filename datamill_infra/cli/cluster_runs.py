"""Start a job of the pipelines in the cluster that the deployment is on, and follow it from here."""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import TYPE_CHECKING

import dagster as dg

from datamill_infra.cli.following import INVOCATION_TAG, Follower, FollowingThread
from datamill_infra.cli.reports import RunReport, Status
from datamill_infra.cli.runs import BLOCKED_TAG
from datamill_infra.model.errors import ConfigurationError, UnhealthyError
from datamill_infra.orchestration.cluster_instance import cluster_dagster

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datamill_infra.cli.board import Board
    from datamill_infra.model.deployment import Deployment
    from datamill_infra.orchestration.cluster_instance import ClusterDagster

LOCATION = "datamill_pipelines"
POLL_SECONDS = 1.0
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
        BlockedError: the deployment has no Dagster in the cluster.
        ConfigurationError: Dagster refuses the run.
        UnhealthyError: Dagster cannot be reached.
    """
    began = time.monotonic()
    invocation = uuid.uuid4().hex
    with cluster_dagster(deployment) as there:
        follower = Follower(board)
        following = FollowingThread(there.instance, invocation, follower)
        run_id = _submit(there, job, assets, {**(tags or {}), INVOCATION_TAG: invocation}, config)
        following.start()
        interrupted = False
        try:
            run = _wait(there.instance, run_id)
        except KeyboardInterrupt:
            interrupted = True
            run = _end(there, run_id)
        finally:
            following.stop()
        follower.finish()
        status: Status = "failed"
        blocked_by = tuple(filter(None, run.tags.get(BLOCKED_TAG, "").split(",")))
        if interrupted or run.status is dg.DagsterRunStatus.CANCELED:
            status = "interrupted"
        elif run.status is dg.DagsterRunStatus.SUCCESS:
            status = "success"
        elif blocked_by:
            status = "blocked"
        return RunReport(
            run_id=run_id,
            job=job,
            status=status,
            seconds=round(time.monotonic() - began, 2),
            steps=follower.steps,
            blocked_by=blocked_by,
            failure=follower.run_failure,
        )


def _submit(
    there: ClusterDagster,
    job: str,
    assets: Sequence[str],
    tags: dict[str, str],
    config: Mapping[str, object] | None,
) -> str:
    from dagster_graphql import DagsterGraphQLClientError
    from requests.exceptions import RequestException

    keys = [dg.AssetKey(name.split("/")) for name in assets] or None
    try:
        return there.client.submit_job_execution(
            job, LOCATION, run_config=dict(config or {}), tags=tags, asset_selection=keys
        )
    except DagsterGraphQLClientError as error:
        said = error.body or error.args[0]
        raise ConfigurationError(
            f"Dagster in the cluster refuses to run {job}: {said}",
            instruction="`datamill run --list` lists the jobs; `datamill up` puts the cluster's code in order.",
        ) from error
    except RequestException as error:
        raise UnhealthyError(
            f"Dagster's web server in the cluster does not answer: {type(error).__name__}.",
            instruction="`datamill status` says how it is.",
        ) from error


def _wait(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    while True:
        run = instance.get_run_by_id(run_id)
        if run is not None and run.is_finished:
            return run
        time.sleep(POLL_SECONDS)


def _end(there: ClusterDagster, run_id: str) -> dg.DagsterRun:
    """End a run, and wait until it has ended, or say nothing more after a while."""
    there.client.terminate_run(run_id)
    deadline = time.monotonic() + CANCEL_SECONDS
    run = there.instance.get_run_by_id(run_id)
    with contextlib.suppress(KeyboardInterrupt):
        while run is not None and not run.is_finished and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            run = there.instance.get_run_by_id(run_id)
    if run is None:
        raise ConfigurationError(f"The run {run_id} was deleted.", instruction="Start it again.")
    return run
