"""Whether a deploy can succeed, told before it starts: rights, and room for pods."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from datamill_infra.kubernetes.fit import WORKLOADS, demands, free, of_pods, shortfalls
from datamill_infra.kubernetes.objects import INSTANCE_LABEL, labels_of
from datamill_infra.kubernetes.quotas import exceeded
from datamill_infra.kubernetes.volumes import asked, attachable, missing_classes, with_volumes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamill_infra.drivers.helm.units import RenderedUnit
    from datamill_infra.kubernetes.cluster import Cluster
    from datamill_infra.kubernetes.objects import Object

VERBS = ("get", "list", "create", "patch", "delete")
OWN = (("v1", "Secret"), ("coordination.k8s.io/v1", "Lease"))
"""What the driver itself writes, besides what charts render."""

WORKERS = 16


def missing_rights(cluster: Cluster, namespace: str, units: Sequence[RenderedUnit]) -> list[str]:
    """What we may not do and would have to, one sentence per kind.

    Args:
        cluster: where.
        namespace: of the deployment.
        units: that would be applied.
    """
    kinds = {(ref.api_version, ref.kind, ref.namespace) for unit in units for ref in unit.by_ref}
    kinds |= {(*kind, namespace) for kind in OWN}
    # Where a release has objects elsewhere, it also has Secrets there.
    kinds |= {("v1", "Secret", elsewhere) for _, _, elsewhere in kinds}
    asked = [(verb, *kind) for kind in sorted(kinds) for verb in VERBS]
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="rights") as pool:
        answers = list(pool.map(lambda one: cluster.allowed(*one), asked))
    refused: dict[tuple[str, str], list[str]] = {}
    for (verb, _, kind, where), allowed in zip(asked, answers, strict=True):
        if not allowed:
            refused.setdefault((kind, where), []).append(verb)
    return [
        f"The context {cluster.context!r} may not {', '.join(verbs)} objects of the kind {kind} in namespace {where}."
        for (kind, where), verbs in refused.items()
    ]


def missing_room(cluster: Cluster, units: Sequence[RenderedUnit]) -> list[str]:
    """Which pods would find no node, no volume or no place in a quota, one sentence each with the numbers.

    What the pods of the same releases have now is counted as free: they go when the new ones come.

    Args:
        cluster: where.
        units: that would be applied.
    """
    items = {ref: item for unit in units for ref, item in unit.by_ref.items()}
    workloads = [item for ref, item in items.items() if ref.kind in WORKLOADS]
    if not workloads:
        return []
    classes = cluster.find("storage.k8s.io/v1", "StorageClass")
    limited = attachable(
        cluster.find("storage.k8s.io/v1", "CSINode"), cluster.find("storage.k8s.io/v1", "VolumeAttachment")
    )
    new = [item for ref, item in items.items() if cluster.get(ref) is None]
    wanted = demands(workloads, lambda item: with_volumes(item, classes, limited) if item in new else {})
    releases = {(unit.namespace, unit.release) for unit in units}
    pods = cluster.find("v1", "Pod")
    going = [pod for pod in pods if (pod["metadata"]["namespace"], labels_of(pod).get(INSTANCE_LABEL)) in releases]
    staying = [pod for pod in pods if pod not in going]
    told = missing_classes(asked(new), classes)
    told += shortfalls(wanted, free(cluster.find("v1", "Node"), staying, limited))
    return told + _over_quota(cluster, units, going)


def _over_quota(cluster: Cluster, units: Sequence[RenderedUnit], going: Sequence[Object]) -> list[str]:
    told = []
    for namespace in sorted({unit.namespace for unit in units}):
        quotas = cluster.find("v1", "ResourceQuota", namespace)
        items = [item for unit in units for ref, item in unit.by_ref.items() if ref.namespace == namespace]
        freed = of_pods(pod for pod in going if pod["metadata"]["namespace"] == namespace)
        told += exceeded(demands(items), quotas, freed)
    return told
