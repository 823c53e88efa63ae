"""Every object of some namespaces, and every object that is in none: what a deployment could leave behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_infra.kubernetes.errors import RefusedError
from datamill_infra.kubernetes.objects import Ref

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datamill_infra.kubernetes.cluster import Cluster, Kind
    from datamill_infra.kubernetes.objects import Object

IGNORED = frozenset(
    {
        "Event",  # a record that expires by itself
        "Endpoints",  # a service's, and gone with it; EndpointSlices are counted
        "ComponentStatus",  # no object, but an answer
        "Node",  # machines come and go without us,
        "CSINode",  # with what is kept about each,
        "CertificateSigningRequest",  # and with their requests
        "VolumeAttachment",  # follows its volume, which is counted
    }
)
COMPUTED = frozenset({"metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"})
"""Groups whose objects are answers, too."""

WORKERS = 16


@dataclass(frozen=True)
class Inventory:
    """What was found.

    Attributes:
        objects: by name.
        refused: kinds that we may not list.
    """

    objects: dict[Ref, Object]
    refused: tuple[str, ...] = ()


def take_inventory(cluster: Cluster, namespaces: Iterable[str]) -> Inventory:
    """List everything; reads go out side by side.

    Args:
        cluster: where.
        namespaces: whose objects count, besides those of the whole cluster.
    """
    places = sorted(set(namespaces))
    kinds = [kind for kind in cluster.kinds() if kind.kind not in IGNORED and kind.group not in COMPUTED]
    asked = [(kind, place) for kind in kinds for place in (places if kind.namespaced else [""])]
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="inventory") as pool:
        answers = list(pool.map(lambda one: _listed(cluster, *one), asked))
    found = {Ref.of(item): item for answer in answers for item in answer or ()}
    refused = {kind.kind for (kind, _), answer in zip(asked, answers, strict=True) if answer is None}
    return Inventory(found, tuple(sorted(refused)))


def _listed(cluster: Cluster, kind: Kind, namespace: str) -> list[Object] | None:
    try:
        return cluster.find(kind.api_version, kind.kind, namespace)
    except RefusedError:
        return None
