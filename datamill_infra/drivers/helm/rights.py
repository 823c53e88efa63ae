"""What a driver that runs in the cluster may do there, computed from what the charts of the deployment render.

Kubernetes lets nobody grant what they do not have, and whoever may write roles can hand on all that they have. So
releases with roles, with objects in other namespaces or with objects of the whole cluster are changed from outside
only, with the rights of a person; from inside they are read and compared (ADR 11). For all others the rights are those
on the kinds that they render. Nothing is for all groups, kinds or verbs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_infra.drivers.helm.publication import CONFIG_MAP, FLAVOURS, FOR, SECRET
from datamill_infra.drivers.helm.sighting import KINDS
from datamill_infra.kubernetes.lease import API_VERSION as LEASES
from datamill_infra.kubernetes.lease import NAME as WRITER
from datamill_infra.kubernetes.objects import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from datamill_infra.drivers.helm.units import RenderedUnit
    from datamill_infra.model.deployment import Deployment

ROLES = "rbac.authorization.k8s.io"
WHOLE = frozenset(
    {
        "CustomResourceDefinition",
        "MutatingWebhookConfiguration",
        "Namespace",
        "PersistentVolume",
        "PriorityClass",
        "StorageClass",
        "ValidatingWebhookConfiguration",
    }
)
"""Kinds that are in no namespace; those of the roles' group aside."""

READ = ("get", "list")
WRITE = ("create", "delete", "get", "list", "patch")

Need = tuple[str, str, str, str, str]
"""Namespace, group, resource, name (empty for all of the kind), verb."""


@dataclass(frozen=True, order=True)
class Right:
    """Something that is allowed in one namespace.

    Attributes:
        namespace: where.
        group: of the API; empty for the core.
        resources: plural names, a subresource after a slash.
        names: of the objects; all of the kind when empty.
        verbs: of Kubernetes.
    """

    namespace: str
    group: str
    names: tuple[str, ...]
    verbs: tuple[str, ...]
    resources: tuple[str, ...]

    def rule(self) -> dict[str, list[str]]:
        """As a Role has it."""
        named = {"resourceNames": list(self.names)} if self.names else {}
        return {"apiGroups": [self.group], "resources": list(self.resources), **named, "verbs": list(self.verbs)}

    def __str__(self) -> str:
        """``in mill: create, get services, configmaps``."""
        resources = ", ".join(f"{one}.{self.group}" if self.group else one for one in self.resources)
        named = f" named {', '.join(self.names)}" if self.names else ""
        return f"in {self.namespace}: {', '.join(self.verbs)} {resources}{named}"


def location(deployment: Deployment) -> str | None:
    """The component that brings the platform itself into the cluster as a code location; ``None`` without one."""
    for name, member in deployment.resolution.members.items():
        if member.provider == "helm" and FOR in member.spec.provides:
            for values in deployment.rendered(name).units.values():
                part = values.tree().get("infrastructure")
                if isinstance(part, dict) and part.get("enabled"):
                    return name
    return None


def outside_only(unit: RenderedUnit) -> str | None:
    """Why a release is never changed from within the cluster, a clause; ``None`` when it may be."""
    if any(ref.api_version.startswith(f"{ROLES}/") for ref in unit.by_ref):
        return "it has roles, and nobody in the cluster may grant rights"
    if unit.unit.scope == "cluster" or any(ref.kind in WHOLE for ref in unit.by_ref):
        return "it has objects of the whole cluster"
    if elsewhere := sorted({ref.namespace for ref in unit.by_ref} - {unit.namespace}):
        return f"it has objects in {', '.join(elsewhere)}"
    return None


def rights(units: Sequence[RenderedUnit], system: str, runs: str, publisher: str) -> list[Right]:
    """What a driver in the cluster needs, and nothing else.

    Args:
        units: the rendered releases of the deployment.
        system: its namespace.
        runs: the namespace of its runs.
        publisher: the component for which the deployment is published there.
    """
    return _gathered({*_releases(units, system, runs), *_driver(system, runs, publisher)})


def _releases(units: Iterable[RenderedUnit], system: str, runs: str) -> Iterator[Need]:
    for unit in units:
        verbs = READ if outside_only(unit) else WRITE
        for ref in unit.by_ref:
            if ref.kind in WHOLE or ref.kind.startswith("ClusterRole"):
                continue
            if ref.namespace == system:
                yield from _each(system, ref.api_version, ref.kind, verbs)
            elif ref.namespace == runs:
                yield from _each(ref.namespace, ref.api_version, ref.kind, ("get",), ref.name)


def _driver(system: str, runs: str, publisher: str) -> Iterator[Need]:
    """What is needed whatever the releases are."""
    for api_version, kind in KINDS:
        yield from _each(system, api_version, kind, READ)
    yield from _each(system, "v1", "Secret", (*WRITE, "update"))  # Helm's records, and credentials
    yield from _each(system, LEASES, "Lease", ("create",))  # a name cannot be asked for before it exists
    yield from _each(system, LEASES, "Lease", ("get", "update"), WRITER)
    yield from _each(system, "v1", "Pod", ("delete", "get", "list"))  # deleted: one that its controller would wait for
    yield system, "", "pods/log", "", "get"
    yield from _each(system, "v1", "Event", ("list",))
    yield from _each(system, "v1", "PersistentVolumeClaim", ("list",))
    for namespace in (system, runs):
        yield from _each(namespace, "v1", "Namespace", ("get",), namespace)
    for name in (CONFIG_MAP, FLAVOURS):
        yield from _each(runs, "v1", "ConfigMap", ("get",), name)
    for name in (SECRET, f"{publisher}-connections"):
        yield from _each(runs, "v1", "Secret", ("get",), name)


def _each(namespace: str, api_version: str, kind: str, verbs: Iterable[str], name: str = "") -> Iterator[Need]:
    group = api_version.rpartition("/")[0]
    for verb in verbs:
        yield namespace, group, plural(kind), name, verb


def _gathered(needs: Iterable[Need]) -> list[Right]:
    """The fewest rules: verbs of one kind together, then kinds with the same verbs."""
    verbs: dict[tuple[str, str, str, str], set[str]] = {}
    for namespace, group, resource, name, verb in needs:
        verbs.setdefault((namespace, group, resource, name), set()).add(verb)
    names: dict[tuple[str, str, str, tuple[str, ...]], set[str]] = {}
    for (namespace, group, resource, name), allowed in verbs.items():
        more = allowed - verbs.get((namespace, group, resource, ""), set()) if name else allowed
        if more:
            names.setdefault((namespace, group, resource, tuple(sorted(more))), set()).add(name)
    kinds: dict[tuple[str, str, tuple[str, ...], tuple[str, ...]], set[str]] = {}
    for (namespace, group, resource, allowed_verbs), named in names.items():
        for one in ([""] if "" in named else []), sorted(named - {""}):
            if one:
                key = (namespace, group, tuple(filter(None, one)), allowed_verbs)
                kinds.setdefault(key, set()).add(resource)
    return sorted(
        Right(namespace, group, named, allowed, tuple(sorted(resources)))
        for (namespace, group, named, allowed), resources in kinds.items()
    )
