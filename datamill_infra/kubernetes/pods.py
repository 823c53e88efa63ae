"""What keeps pods from running, in words: the pod's own state, its events, and its last log lines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from datamill_infra.kubernetes.objects import INSTANCE_LABEL, selector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_infra.kubernetes.cluster import Cluster, Reader
    from datamill_infra.kubernetes.objects import Object

FINAL = frozenset(
    {
        "CreateContainerConfigError",
        "ErrImageNeverPull",
        "ImagePullBackOff",
        "InvalidImageName",
    }
)
"""Reasons that no waiting cures: an image that is not to be had, a Secret that is not there."""

UNREAD = ("failed to sync", "not registered", "not yet been read")
"""What a kubelet says instead of a container's configuration before it has read it; it tries again by itself.

From Kubernetes 1.34: ``pkg/kubelet/util/manager/watch_based_manager.go`` and ``pkg/kubelet/kubelet_pods.go``.
"""

CRASHING = "CrashLoopBackOff"
HOPELESS_RESTARTS = 3
LOG_LINES = 15
EVENTS = 5


@dataclass(frozen=True)
class Trouble:
    """Why a pod does not run.

    Attributes:
        pod: its name.
        reason: one word of Kubernetes.
        message: what it says about it; may be empty.
        final: whether waiting does not help.
    """

    pod: str
    reason: str
    message: str
    final: bool

    def __str__(self) -> str:
        """A clause for people."""
        return f"pod {self.pod}: {self.reason}" + (f" ({self.message})" if self.message else "")


def pods_of(cluster: Reader, namespace: str, release: str) -> list[Object]:
    """The pods of one release, by name."""
    found = cluster.find("v1", "Pod", namespace, selector({INSTANCE_LABEL: release}))
    return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))


def is_ready(pod: Object) -> bool:
    """Whether it runs and says that it is ready."""
    conditions = pod.get("status", {}).get("conditions") or []
    return "deletionTimestamp" not in pod["metadata"] and any(
        one["type"] == "Ready" and one["status"] == "True" for one in conditions
    )


def started_at(pod: Object) -> datetime | None:
    """When it was started, or ``None`` while it waits for a node."""
    text = pod.get("status", {}).get("startTime")
    return datetime.fromisoformat(text) if text else None


def restarts(pod: Object) -> int:
    """How often its containers ended and were started again."""
    return sum(int(status.get("restartCount", 0)) for status in container_statuses(pod))


def trouble(pod: Object) -> Trouble | None:
    """What keeps a pod from running, or ``None`` when nothing does; one that is being deleted need not run any more."""
    if "deletionTimestamp" in pod["metadata"]:
        return None
    name = str(pod["metadata"]["name"])
    for status in container_statuses(pod):
        waiting = status.get("state", {}).get("waiting")
        if waiting and waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            reason, message = str(waiting["reason"]), str(waiting.get("message", ""))
            if reason == CRASHING and (ended := last_end(status)):
                message = ended
            crashed = reason == CRASHING and int(status.get("restartCount", 0)) >= HOPELESS_RESTARTS
            refused = reason in FINAL and not any(words in message for words in UNREAD)
            return Trouble(name, reason, message, final=refused or crashed)
    for condition in pod.get("status", {}).get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return Trouble(
                name, str(condition.get("reason", "Unschedulable")), str(condition.get("message", "")), False
            )
    if pod.get("status", {}).get("phase") == "Failed":
        reason = str(pod["status"].get("reason", "Failed"))
        return Trouble(name, reason, str(pod["status"].get("message", "")), final=False)
    return None


def given_up(*pods: Object) -> Trouble | None:
    """What keeps the first of some pods from running and is not cured by waiting, or ``None``."""
    return next((found for pod in pods if (found := trouble(pod)) and found.final), None)


def story(pod: Object) -> str:
    """What happened to its containers, a sentence; empty when nothing did."""
    told = [
        f"{status['name']} was restarted {status['restartCount']} times, last because it {ended}."
        for status in container_statuses(pod)
        if (ended := last_end(status)) and status.get("restartCount")
    ]
    return " ".join(told)


def warnings(cluster: Cluster, namespace: str, release: str) -> list[str]:
    """The latest warnings about the objects of a release, oldest first, each once; not those about pods of the past."""
    there = {pod["metadata"].get("uid") for pod in pods_of(cluster, namespace, release)}
    found = [
        event
        for event in cluster.find("v1", "Event", namespace)
        if event.get("type") == "Warning"
        and _about(event).startswith(release)
        and (event["involvedObject"].get("kind") != "Pod" or event["involvedObject"].get("uid") in {None, *there})
    ]
    found.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    told = [
        f"{event['involvedObject'].get('kind')} {_about(event)}: {event.get('reason')}: {event.get('message')}"
        for event in found
    ]
    return list(dict.fromkeys(told))[-EVENTS:]


def explain(cluster: Cluster, namespace: str, release: str) -> str:
    """Everything a person needs to see when a release does not become ready: states, warnings, last log lines."""
    pods = pods_of(cluster, namespace, release)
    lines = [str(found) for pod in pods if (found := trouble(pod))]
    lines += warnings(cluster, namespace, release)
    for pod in pods:
        if not is_ready(pod):
            lines += _log(cluster, namespace, pod)
    return "\n".join(lines)


def log_lines(cluster: Cluster, namespace: str, pod: Object, lines: int) -> dict[str, list[str]]:
    """The last lines of each container of a pod, by container."""
    name = str(pod["metadata"]["name"])
    return {
        str(container["name"]): cluster.log(namespace, name, str(container["name"]), lines=lines)
        for container in pod["spec"]["containers"]
    }


def _log(cluster: Cluster, namespace: str, pod: Object) -> Iterator[str]:
    name = str(pod["metadata"]["name"])
    for status in container_statuses(pod):
        container, again = str(status["name"]), bool(status.get("restartCount"))
        waiting = "waiting" in status.get("state", {})
        found = cluster.log(namespace, name, container, lines=LOG_LINES, previous=again and waiting)
        if found:
            yield f"The last lines of {name}/{container}:"
            yield from (f"    {line}" for line in found)


def container_statuses(pod: Object) -> list[dict[str, Any]]:
    """The statuses of its containers, those that run before the others first."""
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def last_end(status: dict[str, Any]) -> str:
    """How a container ended last, a clause like ``ended with status 1 (Error)``; empty when it never did badly."""
    now = status.get("state", {}).get("terminated") or {}
    ended = now if now.get("exitCode") else status.get("lastState", {}).get("terminated")
    if not ended:
        return ""
    return f"ended with status {ended.get('exitCode')} ({ended.get('reason', 'no reason given')})"


def _about(event: Object) -> str:
    return str(event.get("involvedObject", {}).get("name", ""))
