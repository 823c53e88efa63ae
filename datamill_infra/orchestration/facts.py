"""What Dagster is told about a component: its spec before anything runs, its facts and checks once it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from datamill_infra.drivers.inspection import inspect
from datamill_infra.model.published import published_connections
from datamill_infra.model.states import ReleaseState, decide
from datamill_infra.model.told import told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datamill_infra.drivers.inspection import Inspection
    from datamill_infra.drivers.rollout import Rollout
    from datamill_infra.model.deployment import Deployment
    from datamill_infra.model.states import Observed

PREFIX = "infra"
GROUP = "infra"
HEALTHY, IN_SYNC = "healthy", "in_sync"


def asset_key(component: str) -> dg.AssetKey:
    """``infra/<component>``, the same on every target."""
    return dg.AssetKey([PREFIX, component])


def asset_specs(deployment: Deployment) -> list[dg.AssetSpec]:
    """One spec per component of a deployment."""
    return [_spec(deployment, name) for name in deployment.resolution.sequence()]


def _spec(deployment: Deployment, name: str) -> dg.AssetSpec:
    spec, member = deployment.spec(name), deployment.resolution.members[name]
    provides = f" Provides {', '.join(spec.provides)}." if spec.provides else ""
    return dg.AssetSpec(
        asset_key(name),
        deps=[asset_key(other) for other in sorted(deployment.resolution.dependencies(name))],
        description=f"{spec.title}: {spec.summary}{provides}",
        group_name=GROUP,
        kinds={name, member.provider},
        owners=["team:platform"],
        # Without ports, which differ from machine to machine: equal definitions have equal versions.
        code_version=deployment.desired(name).digest,
        metadata={
            "homepage": dg.MetadataValue.url(spec.homepage),
            "licence": spec.licence,
            "provider": member.provider,
            "flavour": deployment.flavour,
            "why": member.why,
            "defined_in": dg.MetadataValue.path(str(spec.folder)),
        },
    )


def check_specs(deployment: Deployment) -> list[dg.AssetCheckSpec]:
    """``healthy`` and ``in_sync`` for every component."""
    return [
        dg.AssetCheckSpec(check, asset=asset_key(name), description=description)
        for name in deployment.resolution.sequence()
        for check, description in (
            (HEALTHY, "A round trip of its protocol succeeds."),
            (IN_SYNC, "What runs is what the deployment says, and nothing else is in its place."),
        )
    ]


def materialization(
    rollout: Rollout, name: str, *, changed: bool, summary: str, observed: Observed | None
) -> dg.MaterializeResult[None]:
    """A component that is as wanted, with its checks.

    Args:
        rollout: its drivers know the component.
        name: of the component.
        changed: whether anything was written to get there.
        summary: what the probes saw.
        observed: what is there, when somebody has just looked.
    """
    driver = rollout.driver(name)
    desired, report = driver.desired(name), driver.report(name)
    connections = published_connections(rollout.deployment)
    return dg.MaterializeResult(
        asset_key=asset_key(name),
        metadata={
            **told(summary, changed=changed),
            "digest": desired.digest,
            "provider": desired.provider,
            **{f"address/{port}": address for port, address in report.addresses.items()},
            **{
                f"connection/{capability}/{field}": str(value)
                for capability, connection in connections.items()
                if connection.component == name
                for field, value in connection.fields.items()
            },
            **{f"log/{index}": dg.MetadataValue.path(file) for index, file in enumerate(report.log_files)},
        },
        check_results=[_healthy(name, passed=True, told=summary), in_sync(rollout, name, observed)],
        # The same state of the same component is no news to what depends on it.
        data_version=dg.DataVersion(desired.digest),
    )


def probe_checks(rollout: Rollout, names: Iterable[str]) -> list[dg.AssetCheckResult]:
    """Both checks of some components, probed now; nothing is changed."""
    results = []
    for name, look in inspect(rollout, names).items():
        if look.healthy:
            told = "; ".join(observation.summary for observation in look.observations.values())
            results.append(_healthy(name, passed=True, told=told))
        else:
            results.append(_trouble(look))
        results.append(in_sync(rollout, name))
    return results


def _trouble(look: Inspection) -> dg.AssetCheckResult:
    """What ``datamill status`` says as well: since when, why, and what repairs it."""
    repair = f"datamill up -c {look.component}"
    why = " ".join(filter(None, (look.error.reason if look.error else look.change.reason, look.report.story)))
    since = f"{look.failing_since:%Y-%m-%d %H:%M:%S} UTC" if look.failing_since else "unknown"
    told = f"Since {since}: {why}" if look.failing_since else why
    return dg.AssetCheckResult(
        asset_key=asset_key(look.component),
        check_name=HEALTHY,
        passed=False,
        description=f"{told} Repair: {repair}",
        metadata={"told": why, "since": since, "repair": repair},
    )


def unhealthy(name: str, told: str) -> dg.AssetCheckResult:
    """The check of a component that could not be brought up."""
    return _healthy(name, passed=False, told=told)


def in_sync(rollout: Rollout, name: str, observed: Observed | None = None) -> dg.AssetCheckResult:
    """Compare what runs, or what was seen of it, with what is wanted."""
    driver = rollout.driver(name)
    observed = observed or driver.observe(name)
    state = decide(observed, driver.desired(name))
    told = " ".join(filter(None, (*observed.drift, observed.failure))) or f"The state is {state}."
    return dg.AssetCheckResult(
        asset_key=asset_key(name),
        check_name=IN_SYNC,
        passed=state is ReleaseState.IN_SYNC,
        description=told,
        metadata={"state": state.value},
    )


def _healthy(name: str, *, passed: bool, told: str) -> dg.AssetCheckResult:
    report_metadata = {"told": told}
    return dg.AssetCheckResult(
        asset_key=asset_key(name), check_name=HEALTHY, passed=passed, description=told, metadata=report_metadata
    )
