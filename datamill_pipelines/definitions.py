"""Code location 2: data and models. It has no rights over the infrastructure.

This module holds policy, not inventory: pipelines are found (:mod:`.discovery`), the capabilities they need get
assets (:mod:`.capabilities`), and every step runs in a process or a job of its own (:mod:`.executor`).
"""

from __future__ import annotations

import functools
import os
import warnings
from typing import TYPE_CHECKING

import dagster as dg

from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import ConfigurationError, UnknownNameError
from datamill_infra.model.home import Home
from datamill_infra.model.published import dagster_home
from datamill_pipelines.capabilities import capability_assets, needed_capabilities
from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.discovery import pipelines
from datamill_pipelines.executor import step_executor
from datamill_pipelines.jobs import CAPABILITY, RESERVED, flight_delay_job

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The lock file has one version of Dagster: what its next ones may change is not the reader's concern.
warnings.filterwarnings("ignore", category=dg.BetaWarning)


@dg.definitions
def definitions() -> dg.Definitions:
    """The location, for the deployment that ``DAGSTER_HOME`` names."""
    merged = build_definitions(dagster_home(os.environ))
    _check_jobs(merged)
    return merged


def build_definitions(home: Path, *, resources: Mapping[str, object] | None = None) -> dg.Definitions:
    """Every pipeline with what it needs.

    Args:
        home: the deployment directory.
        resources: replace the resources of the same key, for tests.

    Raises:
        ConfigurationError: a pipeline or the deployment is wrong.
    """
    deployment = Deployment.load(home)
    built = [build() for build in pipelines(home).values()]
    merged = dg.Definitions.merge(
        *built,
        dg.Definitions(
            assets=[capability_assets(deployment, needed_capabilities(built))],
            jobs=[flight_delay_job()],
            resources={"platform": PlatformConnections(home=str(home))},
            executor=step_executor(deployment.target),
        ),
    )
    if RESERVED in {job.name for job in merged.jobs or ()}:
        raise ConfigurationError(
            f"A job is called {RESERVED!r}, which `datamill run` keeps for sinks.",
            instruction="Give it another name.",
        )
    if resources:
        replaced = {**(merged.resources or {}), **resources}
        merged = dg.Definitions(
            assets=merged.assets,
            asset_checks=merged.asset_checks,
            jobs=merged.jobs,
            schedules=merged.schedules,
            sensors=merged.sensors,
            resources=replaced,
            executor=merged.executor,
        )
    return merged


def reconstruct_job(name: str) -> dg.JobDefinition:
    """One job of the location, for the command line and for the processes that execute it.

    Raises:
        UnknownNameError: there is no such job.
    """
    home = dagster_home(os.environ)
    built = _built(home, Home(home).deployment_file.stat().st_mtime_ns)
    names = [job.name for job in built.jobs or ()]
    if name not in names:
        raise UnknownNameError("job", name, names)
    return built.resolve_job_def(name)


@functools.lru_cache(maxsize=1)
def _built(home: Path, _written: int) -> dg.Definitions:
    """Dagster asks for a job several times in the course of one run."""
    return build_definitions(home)


def _check_jobs(merged: dg.Definitions) -> None:
    """Refuse a job whose assets need a capability that the job does not begin with."""
    graph = merged.resolve_asset_graph()
    for job in merged.jobs or ():
        resolved = merged.resolve_job_def(job.name)
        selected = set(resolved.asset_layer.selected_asset_keys)
        for key in selected:
            missing = [p for p in graph.get(key).parent_keys if p.path[0] == CAPABILITY and p not in selected]
            if missing:
                raise ConfigurationError(
                    f"The job {job.name} contains {key.to_user_string()}, but not {missing[0].to_user_string()},"
                    " which that needs.",
                    instruction="Make the job with datamill_pipelines.jobs.pipeline_job, which adds capabilities.",
                )
