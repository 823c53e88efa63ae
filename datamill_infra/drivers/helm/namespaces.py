"""Namespaces of a deployment: made when they are missing, and deleted only when we made them and nothing is left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from datamill_infra.kubernetes.errors import ConflictError
from datamill_infra.kubernetes.objects import MANAGED_BY_LABEL, Ref, labels_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from datamill_infra.kubernetes.cluster import Cluster

GONE_SECONDS = 90.0
POLL_SECONDS = 0.5
VOLUMES = ("v1", "PersistentVolumeClaim")
LEVEL = "restricted"
POD_SECURITY = {
    "pod-security.kubernetes.io/enforce": LEVEL,
    "pod-security.kubernetes.io/warn": LEVEL,
}
KEEPING = (
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Pod"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
)
"""A namespace with any of these in it stays."""

EVERYWHERE = frozenset({"ConfigMap kube-root-ca.crt"})
"""Kubernetes puts it into each namespace."""


def ensure_namespace(cluster: Cluster, name: str, given: Mapping[str, str] | None = None) -> None:
    """Make a namespace that enforces Pod Security *restricted*; one that is there is left as it is.

    Args:
        cluster: where.
        name: of the namespace.
        given: labels of upstream manifests that bring it; they say what its pods need.

    Raises:
        ClusterError: it cannot be made.
    """
    if cluster.get(_ref(name)) is not None:
        return
    labels = {MANAGED_BY_LABEL: "datamill", **(given or POD_SECURITY)}
    try:
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    except ConflictError:
        return  # somebody else made it in this moment


def is_ours(cluster: Cluster, name: str) -> bool:
    """Whether we made a namespace."""
    found = cluster.get(_ref(name))
    return found is not None and labels_of(found).get(MANAGED_BY_LABEL) == "datamill"


def keepers(cluster: Cluster, name: str) -> list[str]:
    """What is in a namespace that would be lost with it."""
    return sorted(_keepers(cluster, name))


def leave_namespace(cluster: Cluster, name: str) -> None:
    """Delete a namespace that we made and that nothing is left in; wait for volumes that are being deleted."""
    if not is_ours(cluster, name):
        return
    vanishing = any("deletionTimestamp" in one["metadata"] for one in cluster.find(*VOLUMES, name))
    if wait_for(lambda: not keepers(cluster, name), GONE_SECONDS if vanishing else 0):
        cluster.delete(_ref(name))
        wait_for(lambda: not is_ours(cluster, name), GONE_SECONDS)


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether something became true within a budget."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _keepers(cluster: Cluster, name: str) -> Iterator[str]:
    for api_version, kind in KEEPING:
        for item in cluster.find(api_version, kind, name):
            shown = str(Ref.of(item))
            if shown not in EVERYWHERE and "deletionTimestamp" not in item["metadata"]:
                yield shown


def _ref(name: str) -> Ref:
    return Ref("v1", "Namespace", "", name)
