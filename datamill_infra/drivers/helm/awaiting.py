"""What a unit's readiness asks of the cluster besides the rollout of a workload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datamill_infra.kubernetes import definitions
from datamill_infra.kubernetes.objects import Ref
from datamill_infra.model.units import ConditionReady, EstablishedReady, FieldReady, WebhookReady

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


def lacking(cluster: Cluster, unit: RenderedUnit, wanted: Readiness) -> str | None:
    """Why a unit is not ready, a clause; ``None`` when it is.

    Args:
        cluster: where.
        unit: whose readiness it is.
        wanted: anything but a rollout.
    """
    if isinstance(wanted, EstablishedReady):
        unserved = [name for name in wanted.established if not _served(cluster, name)]
        return f"{', '.join(unserved)} is not served yet" if unserved else None
    if isinstance(wanted, WebhookReady):
        slices = cluster.find(*SLICES, unit.namespace, f"{SERVICE_LABEL}={wanted.webhook}")
        ready = any(
            (one.get("conditions") or {}).get("ready") for item in slices for one in item.get("endpoints") or []
        )
        return None if ready else "no ready pod is behind its service"
    if isinstance(wanted, ConditionReady):
        found, reason = _resource(cluster, unit, wanted.of)
        return _condition(found, wanted.condition) if found else reason
    if isinstance(wanted, FieldReady):
        found, reason = _resource(cluster, unit, wanted.of)
        if found is None:
            return reason
        value = _at(found, wanted.field)
        return None if str(value) == wanted.equals else f"{wanted.field} is {value!r}"
    return None


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
