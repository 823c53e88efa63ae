"""Jobs ``deploy_<flavour>`` and ``teardown_<flavour>``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from datamill_infra.model.errors import ConfigurationError
from datamill_infra.model.flavours import resolve_flavour
from datamill_infra.model.jobs import deploy_job_name, teardown_job_name
from datamill_infra.orchestration.facts import asset_key
from datamill_infra.orchestration.teardown import teardown_job, teardown_op

if TYPE_CHECKING:
    from dagster import UnresolvedAssetJobDefinition

    from datamill_infra.model.deployment import Deployment

WRITER_TAG = "datamill/writer"
"""The daemon's queue starts one run with this tag at a time."""


def infra_jobs(deployment: Deployment) -> list[UnresolvedAssetJobDefinition | dg.JobDefinition]:
    """A pair of jobs for the deployment's flavour, and for every other flavour that is part of it."""
    jobs: list[UnresolvedAssetJobDefinition | dg.JobDefinition] = []
    op = teardown_op(deployment)
    for flavour, components in _flavours(deployment).items():
        keys = [asset_key(name) for name in components or deployment.resolution.sequence()]
        deploy = dg.define_asset_job(
            deploy_job_name(flavour),
            selection=dg.AssetSelection.assets(*keys),
            description=f"Brings the flavour {flavour} to its desired state; what is right already stays as it is.",
            executor_def=dg.in_process_executor,
            tags={WRITER_TAG: "deploy"},
        )
        jobs += [deploy, teardown_job(op, teardown_job_name(flavour), components or [])]
    return jobs


def _flavours(deployment: Deployment) -> dict[str, list[str] | None]:
    """Flavour to its components; ``None`` stands for the whole deployment."""
    found: dict[str, list[str] | None] = {deployment.flavour: None}
    for name in deployment.flavours.names():
        if name == deployment.flavour:
            continue
        try:
            components = resolve_flavour(
                name, deployment.flavours, deployment.catalogue, target=deployment.resolution.target
            ).sequence()
        except ConfigurationError:
            continue  # a flavour for another target, or a file that is being written; `datamill flavours` says why
        if set(components) <= set(deployment.resolution.components):
            found[name] = components
    return found
