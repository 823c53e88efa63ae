"""Whether a workload has reached what was asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra.kubernetes.objects import labels_of
from datamill_infra.kubernetes.pods import is_ready, trouble

if TYPE_CHECKING:
    from datamill_infra.kubernetes.objects import Object

KINDS = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet", "job": "Job"}
"""How readiness names a workload, and its kind."""

API_VERSIONS = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "Job": "batch/v1"}


REVISION_LABEL = "controller-revision-hash"
"""Of a StatefulSet's pods: which revision of the template they were made from."""


def stuck(workload: Object, pod: Object) -> bool:
    """Whether a pod is of an older revision of its StatefulSet and does not run.

    The controller replaces pods that run, one after another, and waits for ever for one that does not: a pod with an
    image that is not to be had stays when the image is put right, until somebody deletes it.
    """
    status, metadata = workload.get("status", {}), pod["metadata"]
    owners = {(one["kind"], one["name"]) for one in metadata.get("ownerReferences") or []}
    if ("StatefulSet", workload["metadata"]["name"]) not in owners:
        return False
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return False
    if labels_of(pod).get(REVISION_LABEL) in (None, status.get("updateRevision")) or "deletionTimestamp" in metadata:
        return False
    return not is_ready(pod) and (pod.get("status", {}).get("phase") == "Pending" or trouble(pod) is not None)


def unready(workload: Object) -> str | None:
    """Why a workload is not ready yet, a clause; ``None`` when it is."""
    kind, status = workload["kind"], workload.get("status", {})
    if kind == "Job":
        done = any(one["type"] == "Complete" and one["status"] == "True" for one in status.get("conditions") or [])
        return None if done else "it has not completed"
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return "its controller has not looked at it yet"
    if kind == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        updated, ready = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    else:
        wanted = workload["spec"].get("replicas", 1)
        updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
        if kind == "StatefulSet" and status.get("currentRevision") == status.get("updateRevision"):
            updated = status.get("replicas", 0)  # nothing to update: the server leaves the count out
        if status.get("replicas", 0) > wanted:
            return f"{status['replicas'] - wanted} of its old pods are still there"
    if updated < wanted:
        return f"{updated} of {wanted} pods are up to date"
    return None if ready >= wanted else f"{ready} of {wanted} pods are ready"
