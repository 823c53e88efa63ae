"""Whether a deployment is gone from a cluster without a trace.

Before the first object of a deployment is made, the names of everything that is there are written down on this
machine: the objects of its namespaces, and those of the whole cluster. What is there after `down` and was not then is a
leftover, and needs a reason. Without that record, because the deployment was made from another machine, what was there
before is computed when it is taken down: everything that shows no trace of the deployment.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_infra.drivers.helm.baseline import name_of
from datamill_infra.drivers.helm.namespaces import EVERYWHERE
from datamill_infra.drivers.helm.records import latest_records
from datamill_infra.drivers.helm.sighting import RELEASE_NAME
from datamill_infra.drivers.helm.singletons import singletons
from datamill_infra.kubernetes.inventory import take_inventory
from datamill_infra.kubernetes.objects import INSTANCE_LABEL, MANAGED_BY_LABEL, Ref, annotations_of, labels_of
from datamill_infra.kubernetes.ownership import OURS
from datamill_infra.model.leftovers import Leftover, Proof, Verdict, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from datamill_infra.drivers.helm.baseline import Baseline
    from datamill_infra.drivers.helm.credentials import Credentials
    from datamill_infra.drivers.helm.units import UnitRenderer
    from datamill_infra.kubernetes.cluster import Cluster
    from datamill_infra.kubernetes.objects import Object
    from datamill_infra.model.deployment import Deployment


RELEASE_NAMESPACE = "meta.helm.sh/release-namespace"
GOING_SECONDS = 90.0
POLL_SECONDS = 1.0
BY_HAND = ("kubectl",)
"""How the field managers of people begin."""


@dataclass(frozen=True)
class Traces:
    """By what objects of a deployment are known.

    Attributes:
        namespaces: of the deployment.
        releases: its releases.
        kept_secrets: names of Secrets that stay with data.
        shared: release and namespace to the deployments besides this one that claim it; asked for when it matters.
    """

    namespaces: frozenset[str]
    releases: frozenset[str]
    kept_secrets: frozenset[str]
    shared: Callable[[str, str], list[str]]

    def ours(self, item: Object) -> bool:
        """Whether an object shows that this deployment made it."""
        ref = Ref.of(item)
        if ref.kind == "Namespace":
            return ref.name in self.namespaces and labels_of(item).get(MANAGED_BY_LABEL) == "datamill"
        if ref.kind == "PersistentVolume":
            return _claimed(item)[0] in self.namespaces
        if annotations_of(item).get(RELEASE_NAMESPACE) in self.namespaces:
            return True
        return ref.namespace in self.namespaces and bool(_managers(item) & OURS or _of_controller(item))


def traces_of(deployment: Deployment, cluster: Cluster, renderer: UnitRenderer, credentials: Credentials) -> Traces:
    """The traces of a deployment, while it is there.

    Args:
        deployment: which.
        cluster: where.
        renderer: of the deployment.
        credentials: of the deployment.
    """
    mine = [name for name in deployment.resolution.components if deployment.provider(name) == "helm"]
    system = deployment.definition.file.namespaces.system
    units = [unit for name in mine for unit in renderer.units(name)]
    keeping = {unit.component for unit in units if "secrets" in unit.unit.keep}

    @functools.cache
    def claims() -> dict[tuple[str, str], list[str]]:
        return {(one.release, one.namespace): one.others(system) for one in singletons(cluster)}

    return Traces(
        namespaces_of(deployment, renderer),
        frozenset([*(unit.release for unit in units), *latest_records(cluster, system)]),
        frozenset(secret for name in keeping for secret in credentials.names(name)),
        lambda release, namespace: claims().get((release, namespace), []),
    )


def namespaces_of(deployment: Deployment, renderer: UnitRenderer) -> frozenset[str]:
    """Every namespace in which a deployment has, or may have, objects."""
    mine = [name for name in deployment.resolution.components if deployment.provider(name) == "helm"]
    units = [unit for name in mine for unit in renderer.units(name)]
    own = deployment.definition.file.namespaces
    used = {unit.namespace for unit in units} | {ref.namespace for unit in units for ref in unit.by_ref}
    return frozenset((used | {own.system, own.runs}) - {""})


class ClusterProof(Proof):
    """See the module. Made before the deployment is taken down.

    Args:
        cluster: where.
        baseline: what was there before the deployment.
        traces: of the deployment.
        sleep: between two looks at what is still going.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        baseline: Baseline,
        traces: Traces,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cluster, self.traces = cluster, traces
        self._sleep, self._clock = sleep, clock
        recorded = baseline.read()
        if recorded is None:
            present = take_inventory(cluster, traces.namespaces)
            self._before = frozenset(name_of(ref) for ref, item in present.objects.items() if not traces.ours(item))
            since = "with everything on the cluster that showed no trace of this deployment before `down`"
            since += " (what was there before `up` was not recorded on this machine)"
        else:
            since = f"with the {len(recorded[1])} objects that were there before the first `up`, {recorded[0]}"
            self._before = recorded[1]
        self._since = since

    def verdict(self, *, delete_data: bool) -> Verdict:
        """See :meth:`Proof.verdict`; what is still going is waited for."""
        deadline = self._clock() + GOING_SECONDS
        while True:
            found = take_inventory(self.cluster, self.traces.namespaces)
            new = {ref: item for ref, item in found.objects.items() if name_of(ref) not in self._before}
            reasons = _reasons(self.traces, new, delete_data=delete_data)
            going = [ref for ref, reason in reasons.items() if reason is None and _goes_by_itself(ref, new)]
            if not going or self._clock() > deadline:
                break
            self._sleep(POLL_SECONDS)
        places = ", ".join(sorted(self.traces.namespaces))
        basis = f"Compared: {len(found.objects)} objects in {places} and of the whole cluster {self._since}."
        if found.refused:
            basis += f" Not looked at, because we may not: {', '.join(found.refused)}."
        return verdict(basis, [Leftover(_told(ref), reason) for ref, reason in reasons.items()])


def _reasons(traces: Traces, new: Mapping[Ref, Object], *, delete_data: bool) -> dict[Ref, str | None]:
    """Why each new object stays: first by itself, then because of what it belongs to or holds."""
    reasons = {ref: _reason(traces, ref, item, delete_data=delete_data) for ref, item in new.items()}
    owners = {item["metadata"].get("uid"): ref for ref, item in new.items()}
    for ref, item in new.items():
        for owner in item["metadata"].get("ownerReferences") or ():
            above = owners.get(owner.get("uid"))
            if reasons[ref] is None and above is not None and reasons[above] is not None:
                reasons[ref] = f"it belongs to {_told(above)}"
    for ref, item in new.items():
        if ref.kind == "PersistentVolume" and reasons[ref] is None:
            reasons[ref] = _volume(item, reasons)
    for ref, item in new.items():
        if ref.kind == "Namespace" and reasons[ref] is None and "deletionTimestamp" not in item["metadata"]:
            held = [one for one, why in reasons.items() if one.namespace == ref.name and why and not _everywhere(one)]
            reasons[ref] = f"it holds {_counted(held)}" if held else None
    return reasons


def _reason(traces: Traces, ref: Ref, item: Object, *, delete_data: bool) -> str | None:
    reasons = (*_of_the_deployment(traces, ref, item, delete_data=delete_data), *_of_others(traces, ref, item))
    return next(iter(reasons), None)


def _of_the_deployment(traces: Traces, ref: Ref, item: Object, *, delete_data: bool) -> Iterator[str]:
    """Why something of this deployment stays."""
    release, namespace = _release(item)
    if release and namespace in traces.namespaces and (others := traces.shared(release, namespace)):
        yield f"{release} is shared, and claimed by the deployment in {', '.join(others)}"
    if delete_data:
        return
    if ref.kind == "PersistentVolumeClaim" and labels_of(item).get(INSTANCE_LABEL) in traces.releases:
        yield "data is kept; `datamill down --delete-data` deletes it"
    if ref.kind == "Secret" and ref.name in traces.kept_secrets:
        yield "it is kept with the data that it opens"


def _of_others(traces: Traces, ref: Ref, item: Object) -> Iterator[str]:
    """Whose something is, if it is not this deployment's."""
    release, namespace = _release(item)
    managers = _managers(item)
    if release and namespace not in traces.namespaces:
        yield f"it belongs to the release {release} in namespace {namespace}"
    if ref.kind == "PersistentVolume" and _claimed(item)[0] not in traces.namespaces:
        yield f"it is the volume of {' '.join(filter(None, _claimed(item))) or 'nobody'}"
    if ref.kind == "Namespace" and ref.name not in traces.namespaces:
        yield "it is none of this deployment's namespaces"
    if _everywhere(ref):
        yield "Kubernetes puts one into each namespace"
    if managers and all(one.startswith(BY_HAND) for one in managers):
        yield f"it was made with {', '.join(sorted(managers))}, and not by this deployment"
    if not managers and not _of_controller(item):
        yield "who made it left no name, and this deployment always does"
    if not ref.namespace and managers == {"kube-apiserver"}:
        yield "Kubernetes made it for itself"


def _goes_by_itself(ref: Ref, new: Mapping[Ref, Object]) -> bool:
    """Whether Kubernetes removes something without being asked: with its owner, its namespace or its claim."""
    home = new.get(Ref("v1", "Namespace", "", ref.namespace))
    ends = any("deletionTimestamp" in one["metadata"] for one in (new[ref], home) if one is not None)
    return ends or ref.kind == "PersistentVolume" or bool(new[ref]["metadata"].get("ownerReferences"))


def _volume(item: Object, reasons: Mapping[Ref, str | None]) -> str | None:
    namespace, name = _claimed(item)
    if reasons.get(Ref("v1", "PersistentVolumeClaim", namespace, name)):
        return f"it is the volume of claim {name}, which is kept"
    if item["spec"].get("persistentVolumeReclaimPolicy") == "Retain":
        return (
            f"its storage class keeps volumes: `kubectl delete persistentvolume {item['metadata']['name']}` deletes it"
        )
    return None


def _release(item: Object) -> tuple[str, str]:
    """Release and namespace of an object that Helm made, or that is Helm's own record."""
    given, labels = annotations_of(item), labels_of(item)
    if RELEASE_NAME in given:
        return given[RELEASE_NAME], given.get(RELEASE_NAMESPACE, item["metadata"].get("namespace", ""))
    if labels.get("owner") == "helm" and item["kind"] == "Secret":
        return labels.get("name", ""), item["metadata"].get("namespace", "")
    return "", ""


def _claimed(volume: Object) -> tuple[str, str]:
    claim = volume["spec"].get("claimRef") or {}
    return str(claim.get("namespace", "")), str(claim.get("name", ""))


def _managers(item: Object) -> set[str]:
    """Who wrote it, by their own names; writers of statuses left out."""
    entries = item["metadata"].get("managedFields") or []
    return {str(one.get("manager")) for one in entries if one.get("subresource") != "status"}


def _of_controller(item: Object) -> bool:
    return bool(item["metadata"].get("ownerReferences")) or INSTANCE_LABEL in labels_of(item)


def _everywhere(ref: Ref) -> bool:
    return str(ref) in {*EVERYWHERE, "ServiceAccount default"}


def _counted(refs: Collection[Ref]) -> str:
    kinds: dict[str, int] = {}
    for ref in refs:
        kinds[ref.kind] = kinds.get(ref.kind, 0) + 1
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) + " that stay"


def _told(ref: Ref) -> str:
    return f"{ref} in {ref.namespace}" if ref.namespace else str(ref)
