"""What a unit's readiness asks of the cluster, and whether it holds now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datamill_infra.kubernetes import definitions
from datamill_infra.kubernetes.objects import Ref
from datamill_infra.kubernetes.pods import explain
from datamill_infra.kubernetes.readiness import API_VERSIONS, KINDS, unready
from datamill_infra.model.errors import UnhealthyError
from datamill_infra.model.units import ConditionReady, EstablishedReady, RolloutReady, WebhookReady

if TYPE_CHECKING:
    from datamill_infra.drivers.helm.units import RenderedUnit
    from datamill_infra.kubernetes.cluster import Cluster
    from datamill_infra.kubernetes.objects import Object
    from datamill_infra.model.units import Readiness

SLICES = ("discovery.k8s.io/v1", "EndpointSlice")
SERVICE_LABEL = "kubernetes.io/service-name"


def subject(wanted: Readiness) -> str:
    """What is waited for, for people."""
    if isinstance(wanted, EstablishedReady):
        return ", ".join(wanted.established)
    if isinstance(wanted, WebhookReady):
        return f"the webhook {wanted.webhook}"
    return str(getattr(wanted, "of", getattr(wanted, "rollout", "")))


def rollout_ref(unit: RenderedUnit, wanted: RolloutReady) -> Ref:
    """The workload that a rollout is of."""
    word, _, name = wanted.rollout.partition("/")
    return Ref(API_VERSIONS[KINDS[word]], KINDS[word], unit.namespace, name)


def lacking(cluster: Cluster, unit: RenderedUnit, wanted: Readiness) -> str | None:
    """Why a unit is not ready, a clause; ``None`` when it is.

    Args:
        cluster: where.
        unit: whose readiness it is.
        wanted: one of its conditions.
    """
    if isinstance(wanted, RolloutReady):
        workload = cluster.get(rollout_ref(unit, wanted))
        return "it is not there" if workload is None else unready(workload)
    if isinstance(wanted, EstablishedReady):
        unserved = [name for name in wanted.established if not _served(cluster, name)]
        return f"{', '.join(unserved)} is not served yet" if unserved else None
    if isinstance(wanted, WebhookReady):
        return None if _backed(cluster, unit, wanted.webhook) else "no ready pod is behind its service"
    found, reason = _resource(cluster, unit, wanted.of)
    if found is None:
        return reason
    if isinstance(wanted, ConditionReady):
        return _condition(found, wanted.condition)
    value = _at(found, wanted.field)
    return None if str(value) == wanted.equals else f"{wanted.field} is {value!r}"


def refuse_unready(cluster: Cluster, unit: RenderedUnit) -> None:
    """Pass where everything holds that a unit's readiness asks.

    Raises:
        UnhealthyError: something does not hold.
    """
    for wanted in unit.unit.ready:
        if reason := lacking(cluster, unit, wanted):
            detail = explain(cluster, unit.namespace, unit.release)
            raise UnhealthyError(
                f"{subject(wanted)}: {reason}." + (f"\n{detail}" if detail else ""),
                instruction=f"`datamill why {unit.component}` walks to the cause.",
            )


def _backed(cluster: Cluster, unit: RenderedUnit, service: str) -> bool:
    """Whether a pod that is ready is behind a service."""
    slices = cluster.find(*SLICES, unit.namespace, f"{SERVICE_LABEL}={service}")
    return any((one.get("conditions") or {}).get("ready") for item in slices for one in item.get("endpoints") or [])


def _served(cluster: Cluster, name: str) -> bool:
    found = cluster.get(definitions.ref(name))
    return found is not None and definitions.established(found)


def _resource(cluster: Cluster, unit: RenderedUnit, of: str) -> tuple[Object | None, str]:
    """``kafkas.kafka.strimzi.io/datamill``, or why it cannot be looked at."""
    kind, _, name = of.partition("/")
    definition = cluster.get(definitions.ref(kind))
    if definition is None:
        return None, f"nothing defines {kind}"
    spec = definition["spec"]
    version = next(one["name"] for one in spec["versions"] if one.get("served"))
    namespace = unit.namespace if spec["scope"] == "Namespaced" else ""
    found = cluster.get(Ref(f"{spec['group']}/{version}", spec["names"]["kind"], namespace, name))
    return found, f"there is no {of}"


def _condition(found: Object, name: str) -> str | None:
    for one in found.get("status", {}).get("conditions") or []:
        if one["type"] == name:
            told = ": ".join(str(one[key]) for key in ("reason", "message") if one.get(key))
            return None if one["status"] == "True" else f"{name} is {one['status']}" + (f" ({told})" if told else "")
    return f"it has no condition {name} yet"


def _at(found: Object, path: str) -> object:
    value: Any = found
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value
