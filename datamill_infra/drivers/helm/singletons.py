"""Units that all deployments of a cluster share: who claims them, and in which form.

A claim is an annotation on the record of the singleton, a ConfigMap in its namespace. A deployment is known by its own
namespace. While somebody else claims another version, or other settings, nothing is changed; the last one who claims a
singleton removes it, unless it was there before and was only adopted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_infra.drivers.helm.records import COMPONENT_LABEL, short
from datamill_infra.kubernetes.comparison import fields
from datamill_infra.kubernetes.errors import ConflictError
from datamill_infra.kubernetes.objects import MANAGED_BY_LABEL, Ref, annotations_of, labels_of
from datamill_infra.model.desired import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_infra.drivers.helm.units import RenderedUnit
    from datamill_infra.kubernetes.cluster import Cluster
    from datamill_infra.kubernetes.objects import Object

LABEL = "datamill/singleton"
CLAIM = "claims.datamill/"
ADOPTED = "datamill/adopted"
NAME = "datamill-singleton-"


@dataclass(frozen=True)
class Singleton:
    """One shared release as it is recorded.

    Attributes:
        component: who it belongs to.
        release: its name.
        namespace: where it is.
        adopted: whether it was there before any deployment claimed it; then nobody here removes it.
        claims: namespace of a deployment to the version and digest that it claims.
    """

    component: str
    release: str
    namespace: str
    adopted: bool
    claims: Mapping[str, tuple[str, str]]

    @property
    def ref(self) -> Ref:
        """Its record."""
        return Ref("v1", "ConfigMap", self.namespace, NAME + self.release)

    def others(self, deployment: str) -> list[str]:
        """Who claims it besides a deployment."""
        return sorted(set(self.claims) - {deployment})


def singletons(cluster: Cluster) -> list[Singleton]:
    """Every singleton of a cluster that a deployment claims."""
    return [_read(item) for item in cluster.find("v1", "ConfigMap", labels=f"{MANAGED_BY_LABEL}=datamill") if _is(item)]


def wanted_digest(unit: RenderedUnit) -> str:
    """Of a shared unit: over what it consists of, the same for each deployment that wants the same."""
    return digest({unit.told(ref): fields(item) for ref, item in unit.by_ref.items()})


def version_of(unit: RenderedUnit) -> str:
    """The version of a unit, for people."""
    return str(getattr(unit.unit, "version", "(no version)"))


class Claims:
    """The claims of one deployment.

    Args:
        cluster: where.
        deployment: its namespace.
    """

    def __init__(self, cluster: Cluster, deployment: str) -> None:
        self.cluster, self.deployment = cluster, deployment

    def of(self, unit: RenderedUnit) -> Singleton | None:
        """The record of a shared unit."""
        found = self.cluster.get(Ref("v1", "ConfigMap", unit.namespace, NAME + unit.release))
        return _read(found) if found else None

    def mine(self, unit: RenderedUnit) -> bool:
        """Whether we claim a unit as it is wanted."""
        record = self.of(unit)
        return record is not None and record.claims.get(self.deployment) == self._claim(unit)

    def conflict(self, unit: RenderedUnit) -> str | None:
        """Why a unit cannot be as we want it while others claim it, a sentence; ``None`` when it can."""
        record = self.of(unit)
        for other in record.others(self.deployment) if record else ():
            version, claimed = record.claims[other]  # type: ignore[union-attr]  # there are others
            if version != version_of(unit):
                return (
                    f"{unit.component}: the deployment in namespace {other} claims version {version} of {unit.release}"
                    f" (namespace {unit.namespace}), and this one wants {version_of(unit)}."
                )
            if claimed != short(wanted_digest(unit)):
                return (
                    f"{unit.component}: the deployment in namespace {other} claims {unit.release} {version}"
                    f" (namespace {unit.namespace}) with other settings than this one."
                )
        return None

    def make(self, unit: RenderedUnit, *, adopted: bool = False) -> None:
        """Record our claim; nothing is written when it is recorded already.

        Args:
            unit: what is claimed.
            adopted: whether it is there and was made by nobody here; of a record that exists, this stays as it is.
        """
        if self.mine(unit):
            return
        ref = Ref("v1", "ConfigMap", unit.namespace, NAME + unit.release)
        ours = {CLAIM + self.deployment: " ".join(self._claim(unit))}
        for _ in range(10):
            found = self.cluster.get(ref)
            try:
                if found is None:
                    self.cluster.create(_record(unit, ref, {**ours, ADOPTED: str(adopted).lower()}))
                else:
                    self.cluster.replace(_annotated(found, {**annotations_of(found), **ours}))
            except ConflictError:
                continue
            return
        raise ConflictError(f"{ref} is being changed all the time.", instruction="Run the command again.")

    def withdraw(self, record: Singleton) -> list[str]:
        """Take our claim back.

        Returns:
            Who still claims it; when nobody does, the record is gone.
        """
        for _ in range(10):
            found = self.cluster.get(record.ref)
            if found is None:
                return []
            left = _read(found).others(self.deployment)
            if not left:
                return []
            kept = {key: value for key, value in annotations_of(found).items() if key != CLAIM + self.deployment}
            try:
                self.cluster.replace(_annotated(found, kept))
            except ConflictError:
                continue
            return left
        raise ConflictError(f"{record.ref} is being changed all the time.", instruction="Run the command again.")

    def _claim(self, unit: RenderedUnit) -> tuple[str, str]:
        return version_of(unit), short(wanted_digest(unit))


def _is(item: Object) -> bool:
    return LABEL in labels_of(item)


def _read(item: Object) -> Singleton:
    given, labels = annotations_of(item), labels_of(item)
    claims = {key.removeprefix(CLAIM): value for key, value in given.items() if key.startswith(CLAIM)}
    return Singleton(
        labels[COMPONENT_LABEL],
        labels[LABEL],
        item["metadata"]["namespace"],
        given.get(ADOPTED) == "true",
        {name: (value.rpartition(" ")[0], value.rpartition(" ")[2]) for name, value in claims.items()},
    )


def _record(unit: RenderedUnit, ref: Ref, annotations: Mapping[str, str]) -> Object:
    labels = {MANAGED_BY_LABEL: "datamill", LABEL: unit.release, COMPONENT_LABEL: unit.component}
    metadata = {"name": ref.name, "namespace": ref.namespace, "labels": labels, "annotations": dict(annotations)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def _annotated(item: Object, annotations: Mapping[str, str]) -> Object:
    return {**item, "metadata": {**item["metadata"], "annotations": dict(annotations)}}
