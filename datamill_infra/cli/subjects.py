"""What ``datamill why`` can be asked about besides a component: assets and runs, as the components behind them."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from datamill_infra.cli.streams import set_aside
from datamill_infra.model.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import dagster as dg

    from datamill_infra.model.deployment import Deployment

INFRA, CAPABILITY = "infra", "capability"


@dataclass(frozen=True)
class Subject:
    """What was asked about.

    Attributes:
        subject: its whole name.
        told: what is known about it, for people.
        components: of the deployment, those that it rests on.
        failed: whether it is known to have failed.
    """

    subject: str
    told: str
    components: list[str]
    failed: bool = False

    def to_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return asdict(self)


def resolve(deployment: Deployment, subject: str) -> Subject:
    """Find an asset or a run.

    Args:
        deployment: whose.
        subject: an asset's key with slashes, or a run's id or its beginning.

    Raises:
        UnknownNameError: there is nothing of that name.
    """
    kind, _, name = subject.partition("/")
    if kind == INFRA and name in deployment.resolution.components:
        return Subject(subject, f"{subject} is the component {name}.", [name])
    if kind == CAPABILITY and name in deployment.resolution.bound:
        component = deployment.resolution.bound[name]
        return Subject(subject, f"{subject} is bound to {component}.", [component])
    needs = _capabilities(deployment)
    if subject in needs:
        return _asset(deployment, subject, needs[subject])
    if not name and (found := _run(deployment, subject, needs)):
        return found
    infra = [f"{INFRA}/{one}" for one in deployment.resolution.components]
    capabilities = [f"{CAPABILITY}/{one}" for one in deployment.resolution.bound]
    valid = [*deployment.catalogue.names(), *infra, *capabilities, *needs]
    raise UnknownNameError("component, asset or run", subject, valid)


def _asset(deployment: Deployment, asset: str, capabilities: Iterable[str]) -> Subject:
    names = sorted(capabilities)
    told = f"{asset} is made with {', '.join(names)}." if names else f"{asset} rests on no component."
    return Subject(asset, told, _components(deployment, names))


def _components(deployment: Deployment, capabilities: Iterable[str]) -> list[str]:
    bound = deployment.resolution.bound
    return sorted({bound[name] for name in capabilities if name in bound})


def _capabilities(deployment: Deployment) -> dict[str, set[str]]:
    """Every data asset with the capabilities that it, or something that it is made from, needs."""
    os.environ["DAGSTER_HOME"] = str(deployment.home)
    with set_aside(deployment.log_dir / "runs.log"):  # importing Dagster and the pipelines may warn
        from datamill_pipelines.definitions import build_definitions

        graph = build_definitions(deployment.home).resolve_asset_graph()
    keys = [key for key in graph.get_all_asset_keys() if key.path[0] not in (INFRA, CAPABILITY)]
    return {
        key.to_user_string(): {
            parent.path[-1] for parent in graph.get_ancestor_asset_keys(key) if parent.path[0] == CAPABILITY
        }
        for key in keys
    }


def _run(deployment: Deployment, prefix: str, needs: dict[str, set[str]]) -> Subject | None:
    if not RUN_ID.fullmatch(prefix):
        return None
    import dagster as dg

    os.environ["DAGSTER_HOME"] = str(deployment.home)
    with dg.DagsterInstance.get() as instance:
        if found := _told(deployment, instance, prefix, needs):
            return found
    component = deployment.resolution.bound.get("dagster")
    if component is None or deployment.provider(component) != "helm":
        return None
    from datamill_infra.orchestration.cluster_instance import cluster_instance

    with cluster_instance(deployment, component) as instance:
        return _told(deployment, instance, prefix, needs)


RUN_ID = re.compile("[0-9a-f][0-9a-f-]{3,35}")
RECENT = 500
"""A shortened id is looked for among so many of the latest runs."""


def _told(
    deployment: Deployment, instance: dg.DagsterInstance, prefix: str, needs: dict[str, set[str]]
) -> Subject | None:
    from datamill_infra.cli.following import Follower
    from datamill_infra.cli.runs import blocked_by

    exact = instance.get_run_by_id(prefix)
    runs = [exact] if exact else [run for run in instance.get_runs(limit=RECENT) if run.run_id.startswith(prefix)]
    if not runs:
        return None
    run, follower = runs[0], Follower()
    for entry in instance.all_logs(run.run_id):
        follower.read(entry)
    blocked = [name for name in blocked_by(run) if name in deployment.resolution.components]
    failed = [step for step in follower.steps.values() if step.failure]
    assets = [asset for step in failed or follower.steps.values() for asset in step.assets]
    lines = [f"Run {run.run_id} of {run.job_name}: {run.status.value.lower()}."]
    lines += [f"  {step.name}: {step.failure.reason}" for step in failed if step.failure]
    if follower.run_failure and not failed:
        lines.append(f"  {follower.run_failure.reason}")
    infra = [asset.partition("/")[2] for asset in assets if asset.startswith(f"{INFRA}/")]
    capabilities = {asset.partition("/")[2] for asset in assets if asset.startswith(f"{CAPABILITY}/")}
    capabilities |= {name for asset in assets for name in needs.get(asset, ())}
    components = blocked or sorted({*infra, *_components(deployment, capabilities)})
    known = [name for name in components if name in deployment.resolution.components]
    return Subject(run.run_id, "\n".join(lines), known, failed=not run.is_success)
