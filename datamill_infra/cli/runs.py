"""Execute a job of one of the two code locations, here, and follow it.

The job is the very one that the user interface and ``dagster job execute`` run, loaded from the same definitions.
"""

from __future__ import annotations

import os
import time
import uuid
from typing import TYPE_CHECKING

import dagster as dg

from datamill_infra.cli.following import INVOCATION_TAG, Follower, FollowingThread
from datamill_infra.cli.reports import RunReport, Status, is_interrupt
from datamill_infra.model.told import BLOCKED_TAG

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from datamill_infra.cli.board import Board

# Steps' logs are in the run's own log and on the object store; the terminal belongs to the display.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def execute(
    location: str,
    job: str,
    home: Path,
    *,
    board: Board | None = None,
    assets: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    config: Mapping[str, object] | None = None,
) -> RunReport:
    """Run a job to its end.

    Args:
        location: the module of the code location, e.g. ``"datamill_pipelines.definitions"``.
        job: its name.
        home: the deployment directory, which is the Dagster home.
        board: shows the steps while they run.
        assets: run only these assets of the job, as ``a/b``; all when empty.
        tags: for the run.
        config: run configuration.

    Returns:
        What came of it. A run that was interrupted is reported so, not raised.
    """
    os.environ["DAGSTER_HOME"] = str(home)
    invocation = uuid.uuid4().hex
    began = time.monotonic()
    with dg.DagsterInstance.get() as instance:
        follower = Follower(board)
        following = FollowingThread(instance, invocation, follower)
        following.start()
        interrupted = False
        try:
            result = dg.execute_job(
                dg.build_reconstructable_job(location, "reconstruct_job", (job,)),
                instance=instance,
                run_config={**QUIET, **(config or {})},
                tags={**(tags or {}), INVOCATION_TAG: invocation},
                asset_selection=[dg.AssetKey(name.split("/")) for name in assets] or None,
            )
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            interrupted = True
        finally:
            following.stop()
        follower.finish()
        run = instance.get_run_by_id(following.run_id) if following.run_id else None
        blockers = blocked_by(run) if run else ()
        status: Status = "failed"
        interrupted = interrupted or any(step.interrupted for step in follower.steps.values())
        interrupted = interrupted or is_interrupt(follower.run_failure)
        if interrupted or (run and run.status is dg.DagsterRunStatus.CANCELED):
            status = "interrupted"
        elif result.success:
            status = "success"
        elif blockers:
            status = "blocked"
        return RunReport(
            run_id=following.run_id or "",
            job=job,
            status=status,
            seconds=round(time.monotonic() - began, 2),
            steps=follower.steps,
            blocked_by=blockers,
            failure=follower.run_failure,
        )


def blocked_by(run: dg.DagsterRun) -> tuple[str, ...]:
    """The components that a run was blocked by, as its capabilities step has noted them."""
    return tuple(filter(None, run.tags.get(BLOCKED_TAG, "").split(",")))
