"""Code location 1: the platform as assets.

The deployment is the one that ``DAGSTER_HOME`` names. It is read once, when the location is loaded, and never at
import. Without ``DAGSTER_HOME`` nothing is loaded: Dagster would work on a temporary instance, and the history of the
platform would go with it.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

import dagster as dg

from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import UnknownNameError
from datamill_infra.model.home import Home
from datamill_infra.model.published import dagster_home
from datamill_infra.orchestration.assets import deploy_assets
from datamill_infra.orchestration.health_sensor import health_sensor
from datamill_infra.orchestration.jobs import infra_jobs

if TYPE_CHECKING:
    from pathlib import Path


@dg.definitions
def definitions() -> dg.Definitions:
    """The location, for the deployment that ``DAGSTER_HOME`` names."""
    return build_definitions(dagster_home(os.environ))


def build_definitions(home: Path) -> dg.Definitions:
    """Assets, checks, jobs and the sensor of one deployment.

    Args:
        home: the deployment directory.

    Raises:
        ConfigurationError: there is no deployment, or anything about it is wrong.
    """
    deployment = Deployment.load(home)
    return dg.Definitions(
        assets=[deploy_assets(deployment)],
        jobs=infra_jobs(deployment),
        sensors=[health_sensor(deployment)],
    )


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
