"""Whether a deploy can succeed, told before it starts: rights, and room for pods."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from datamill_infra.kubernetes.fit import WORKLOADS, demands, free, shortfalls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamill_infra.drivers.helm.units import RenderedUnit
    from datamill_infra.kubernetes.cluster import Cluster

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
    """Which pods that are not there yet would find no node, one sentence each with the numbers."""
    new = [
        item
        for unit in units
        for ref, item in unit.by_ref.items()
        if ref.kind in WORKLOADS and cluster.get(ref) is None
    ]
    if not new:
        return []
    return shortfalls(demands(new), free(cluster.find("v1", "Node"), cluster.find("v1", "Pod")))
