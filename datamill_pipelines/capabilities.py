"""Capability assets: what binds pipelines to components, and blocks them when one is not available.

``capability/<name>`` says that a capability can be used now. It depends on the ``infra/<component>`` that the
deployment has bound, which lives in the other code location, and probes that component again, because what was
healthy when it was deployed may be gone. All that a job needs are probed in one step, in parallel. When a probe
fails, the step fails, and with it everything behind: the run ends at once, with the tag ``datamill/blocked-by``.

What a component itself rests on is probed as well: datasets are gone when their object store is, and it is the object
store that has to be repaired.
"""

# No postponed annotations here: Dagster looks at those of steps when they are defined.
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import dagster as dg

from datamill_infra import capabilities
from datamill_infra.capabilities import Observation
from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import DatamillError
from datamill_infra.model.told import BLOCKED_TAG, SUMMARY
from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.jobs import CAPABILITY

GROUP = "capabilities"
DEFAULT_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class Blocked:
    """A capability that cannot be used.

    Attributes:
        capability: its name.
        component: who is to blame: the one that should provide it, or one that this rests on; the capability itself
            when the deployment has nobody.
        cause: what the probe found.
        repair: what to do.
    """

    capability: str
    component: str
    cause: str
    repair: str


@dataclass(frozen=True)
class Available:
    """A capability that can be used.

    Attributes:
        connection: to what provides it.
        observation: what its probe saw.
    """

    connection: ResolvedConnection
    observation: Observation


def capability_assets(deployment: Deployment, names: Iterable[str]) -> dg.AssetsDefinition:
    """The capability assets of a deployment.

    Args:
        deployment: decides which component is behind which capability.
        names: the capabilities that some pipeline needs.
    """
    specs = [_spec(deployment, name) for name in sorted(set(names))]

    @dg.multi_asset(name="capabilities", specs=specs, can_subset=True)
    def capability_step(
        context: dg.AssetExecutionContext, platform: PlatformConnections
    ) -> Iterator[dg.MaterializeResult[None]]:
        """Probe every needed capability at once."""
        needed = sorted(key.path[-1] for key in context.selected_asset_keys)
        outcomes = probe_all(deployment, platform, needed)
        for name, outcome in zip(needed, outcomes, strict=True):
            if not isinstance(outcome, Blocked):
                yield _result(name, outcome.connection, outcome.observation)
        if blocked := [outcome for outcome in outcomes if isinstance(outcome, Blocked)]:
            components = sorted({item.component for item in blocked})
            context.instance.add_run_tags(context.run.run_id, {BLOCKED_TAG: ",".join(components)})
            raise _failure(context.instance, blocked)

    return capability_step


def needed_capabilities(definitions: Iterable[dg.Definitions]) -> set[str]:
    """The capabilities that the assets and checks of some definitions depend on."""
    keys: set[dg.AssetKey] = set()
    for part in definitions:
        for asset in [*(part.assets or ()), *(part.asset_checks or ())]:
            if isinstance(asset, dg.AssetsDefinition):
                keys |= {dependency.asset_key for spec in asset.specs for dependency in spec.deps}
                keys |= {dep.asset_key for check in asset.check_specs for dep in check.additional_deps or ()}
    return {key.path[1] for key in keys if key.path[0] == CAPABILITY and len(key.path) > 1}


def _spec(deployment: Deployment, name: str) -> dg.AssetSpec:
    component = deployment.resolution.bound.get(name)
    return dg.AssetSpec(
        [CAPABILITY, name],
        deps=[dg.AssetKey(["infra", component])] if component else [],
        group_name=GROUP,
        kinds={component} if component else None,
        owners=["team:platform"],
        description=f"The capability {name} can be used"
        + (f"; {component} provides it." if component else ", which nothing in this deployment provides."),
    )


def probe_all(deployment: Deployment, platform: PlatformConnections, names: Sequence[str]) -> list[Available | Blocked]:
    """Probe capabilities and what they rest on, all at once.

    Args:
        deployment: decides which component is behind which capability.
        platform: its published connections.
        names: of the capabilities.

    Returns:
        By capability; a blocked one names the lowest component that does not answer.
    """
    probed = [*names, *_below(deployment, names)]
    with ThreadPoolExecutor(max(1, len(probed)), thread_name_prefix="probe") as pool:
        found = dict(zip(probed, pool.map(lambda name: _probe(deployment, platform, name), probed), strict=True))
    outcomes = [found[name] for name in names]
    return [_root(deployment, found, one) if isinstance(one, Blocked) else one for one in outcomes]


def _rests_on(deployment: Deployment, component: str) -> list[str]:
    """The capabilities that a component got from others of the deployment."""
    resolution = deployment.resolution
    return [
        capability
        for (consumer, capability), provider in sorted(resolution.bindings.items())
        if consumer == component and provider in resolution.components and resolution.bound.get(capability) == provider
    ]


def _below(deployment: Deployment, names: Sequence[str]) -> list[str]:
    """The capabilities that the components behind some others rest on, however far down."""
    found, unseen = dict.fromkeys(names), list(names)
    while unseen:
        for capability in _rests_on(deployment, deployment.resolution.bound.get(unseen.pop(), "")):
            if capability not in found:
                found[capability] = None
                unseen.append(capability)
    return list(found)[len(names) :]


def _root(deployment: Deployment, outcomes: Mapping[str, Available | Blocked], top: Blocked) -> Blocked:
    """The same, with the lowest component that does not answer to blame."""
    for capability in _rests_on(deployment, top.component):
        below = outcomes[capability]
        if isinstance(below, Blocked):
            root = _root(deployment, outcomes, below)
            return replace(root, capability=top.capability, cause=f"{root.cause} {top.component} rests on it.")
    return top


def _probe(deployment: Deployment, platform: PlatformConnections, name: str) -> Available | Blocked:
    component = deployment.resolution.bound.get(name)
    if component is None:
        able = ", ".join(spec.name for spec in deployment.catalogue.providing(name)) or "nothing in the catalogue"
        return Blocked(
            name,
            name,
            f"Nothing in the deployment (flavour {deployment.flavour}) provides {name}.",
            f"`datamill up -c NAME` adds what provides it: {able}.",
        )
    try:
        connection = platform.get(name)
        module = capabilities.load(name, deployment.catalogue.folders)
        observation = module.probe(connection, timeout=deployment.spec(component).health.timeout_seconds)
    except DatamillError as error:
        return Blocked(name, component, error.reason, f"datamill up -c {component}")
    return Available(connection, observation)


def _result(name: str, connection: ResolvedConnection, observation: Observation) -> dg.MaterializeResult[None]:
    fields = {key: value for key, value in connection.values.items() if key not in connection.secret_fields}
    # The same component at the same address is no news to what depends on it.
    version = hashlib.sha256(json.dumps([connection.component, fields], sort_keys=True).encode()).hexdigest()
    return dg.MaterializeResult(
        asset_key=[CAPABILITY, name],
        metadata={
            "component": connection.component,
            SUMMARY: observation.summary,
            "probe_seconds": observation.seconds,
            **{f"connection/{key}": str(value) for key, value in fields.items()},
            **{f"observed/{key}": str(value) for key, value in observation.facts.items()},
        },
        data_version=dg.DataVersion(version),
    )


def _failure(instance: dg.DagsterInstance, blocked: Sequence[Blocked]) -> dg.Failure:
    told = []
    for item in blocked:
        since = last_available(instance, item)
        told.append(f"{item.component} is not available ({since}): {item.cause}")
    return dg.Failure(
        description="Blocked, no data step was started. " + " ".join(told),
        metadata={
            "error": "BlockedError",
            "blocked_by": ",".join(sorted({item.component for item in blocked})),
            "capabilities": ",".join(item.capability for item in blocked),
            "since": "; ".join(last_available(instance, item) for item in blocked),
            "cause": " ".join(item.cause for item in blocked),
            "repair": "; ".join(dict.fromkeys(item.repair for item in blocked)),
        },
        allow_retries=False,
    )


def last_available(instance: dg.DagsterInstance, blocked: Blocked) -> str:
    """When the capability was last seen available, in words: by a pipeline's probe or by a deploy."""
    seen = []
    for key in ([CAPABILITY, blocked.capability], ["infra", blocked.component]):
        event = instance.get_latest_materialization_event(dg.AssetKey(key))
        if event is not None:
            seen.append(event.timestamp)
    if not seen:
        return "never seen available"
    return f"last seen available {datetime.fromtimestamp(max(seen), UTC):%Y-%m-%d %H:%M:%S} UTC"
