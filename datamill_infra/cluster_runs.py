"""Pipelines of a cluster as jobs of a machine outside, for CI: each is one step that has its run in the cluster.

``dagster job execute -m datamill_infra.cluster_runs -j flight_delay`` needs what a deploy from there needs: a
deployment directory as ``DAGSTER_HOME``, and a kubeconfig with its context. The tags of the run outside become those of
the run in the cluster (a partition is one), which alone touches any data; the one outside has its log, and ends as it
ends.
"""

# No postponed annotations here: Dagster looks at those of steps when they are defined.
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from datamill_infra.drivers.reported import CAPABILITY
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import BlockedError, DatamillError, PlatformError
from datamill_infra.model.published import dagster_home
from datamill_infra.model.told import BLOCKED_TAG
from datamill_infra.orchestration.failures import failure_of
from datamill_infra.orchestration.launching import RunEnd, RunEvent, end, follow, launch
from datamill_infra.orchestration.web import DagsterWeb, dagster_component

RUN_TAG = "datamill/cluster-run"
OURS = (".dagster/", "dagster/code_location", "dagster/solid_selection")
"""Tags that the run outside has of its own."""


class InCluster(dg.Config):
    """How the run in the cluster is to be.

    Attributes:
        run_config: its configuration.
        assets: only these of the job, as ``a/b``; all when empty.
    """

    assets: list[str] = Field(default_factory=list)
    run_config: dict[str, Any] = Field(default_factory=dict)


@dg.definitions
def definitions() -> dg.Definitions:
    """The jobs, for the deployment that ``DAGSTER_HOME`` names."""
    return build_definitions(dagster_home(os.environ))


def build_definitions(home: Path) -> dg.Definitions:
    """A job for each job of the pipelines.

    Args:
        home: the deployment directory.

    Raises:
        ConfigurationError: the deployment has no Dagster in a cluster.
    """
    # Here, because the pipelines take seconds to import.
    from datamill_pipelines.definitions import build_definitions as pipelines  # noqa: PLC0415

    deployment = Deployment.load(home)
    dagster_component(deployment)
    return dg.Definitions(jobs=[_job(deployment, job.name) for job in pipelines(home).jobs or ()])


def _job(deployment: Deployment, name: str) -> dg.JobDefinition:
    @dg.op(name="in_the_cluster")
    def in_the_cluster(context: dg.OpExecutionContext, config: InCluster) -> None:
        """Launch the run, pass on what it says, end as it ends."""
        with contextlib.ExitStack() as stack:
            web = _Doors(deployment, stack)
            try:
                _run(context, web, name, config)
            except DatamillError as error:
                raise failure_of(error) from error

    @dg.job(name=name, executor_def=dg.in_process_executor, description=f"{name}, in the cluster.")
    def running() -> None:
        in_the_cluster()

    return running


class _Doors:
    """Ways to the web server; the last one is closed when the next is opened."""

    def __init__(self, deployment: Deployment, stack: contextlib.ExitStack) -> None:
        self._rollout, self._stack = Rollout(deployment), stack

    def __call__(self) -> DagsterWeb:
        self._stack.close()
        return DagsterWeb(self._stack.enter_context(self._rollout.door(CAPABILITY)))


def _run(context: dg.OpExecutionContext, door: _Doors, name: str, config: InCluster) -> None:
    tags = {key: value for key, value in context.run.tags.items() if not key.startswith(OURS)}
    run_id = launch(door(), name, assets=config.assets, tags=tags, config=config.run_config)
    context.log.info("%s is the run %s of the Dagster in the cluster.", name, run_id)
    context.instance.add_run_tags(context.run.run_id, {RUN_TAG: run_id})
    failures: list[str] = []
    with _ended_with_us(door, run_id):
        ended = follow(door, run_id, lambda event: _tell(context, event, failures))
    _judge(name, run_id, ended, failures)


@contextlib.contextmanager
def _ended_with_us(door: _Doors, run_id: str) -> Iterator[None]:
    """Whoever interrupts the run outside means the one in the cluster."""
    try:
        yield
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        end(door(), run_id)
        raise


def _tell(context: dg.OpExecutionContext, event: RunEvent, failures: list[str]) -> None:
    line = f"{event.step}: {event.message}" if event.step else event.message
    if event.kind in ("STEP_FAILURE", "RUN_FAILURE", "PIPELINE_FAILURE"):
        failures.append(line)
    if event.level in ("ERROR", "CRITICAL") or event.kind.endswith("FAILURE"):
        context.log.error(line)
    elif event.level in ("INFO", "WARNING") or event.kind.startswith("STEP_"):
        context.log.info(line)


def _judge(name: str, run_id: str, ended: RunEnd, failures: list[str]) -> None:
    if ended.status == "SUCCESS":
        return
    told = "\n".join(failures) or "it was ended"
    if blocked := ended.tags.get(BLOCKED_TAG):
        raise BlockedError(
            f"{name} (run {run_id} in the cluster) is blocked by {blocked}: {told}",
            instruction="`datamill status` says why; `datamill up` repairs it.",
        )
    raise PlatformError(
        f"{name} (run {run_id} in the cluster) ended as {ended.status}: {told}",
        instruction="The web server in the cluster has its log.",
    )
