"""What on a cluster keeps the pods of a release from working, as findings: from quota to probe, with the next step.

:mod:`.pods` says in words what a single pod is waiting for; here everything around it is asked, too: events of its
controller, its claims, its storage class, the name server, and the last lines of its logs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_infra.kubernetes.objects import INSTANCE_LABEL, Ref
from datamill_infra.kubernetes.pods import (
    LOG_LINES,
    container_statuses,
    is_ready,
    last_end,
    pods_of,
    trouble,
)
from datamill_infra.kubernetes.volumes import is_default
from datamill_infra.model.causes import CauseKind, Finding, causes_first

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from datamill_infra.kubernetes.cluster import Cluster
    from datamill_infra.kubernetes.objects import Object

CREATORS = frozenset({"StatefulSet", "ReplicaSet", "Job", "DaemonSet"})
"""Kinds that make pods; what they could not make is told by their events only."""

IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"})
UNKNOWN_NAME = re.compile(
    r"UnknownHost|name resolution|Name or service not known|no such host|getaddrinfo|nodename nor servname"
    r"|No resolvable bootstrap urls|could not translate host name|host not found in upstream",
    re.IGNORECASE,
)
SERVICE = re.compile(r"\b([a-z0-9][a-z0-9-]*)\.([a-z0-9][a-z0-9-]*)\.svc\b")
CLAIM_WAITS = frozenset({"WaitForFirstConsumer", "WaitForPodScheduled", "ExternalProvisioning", "Provisioning"})
"""Events of a claim that is on its way."""

OUT_OF_MEMORY = "OOMKilled"
SEARCHED_LINES = 500


@dataclass(frozen=True)
class Place:
    """One release on a cluster, with the component that people know it by.

    Attributes:
        cluster: where.
        namespace: of the release.
        release: its name.
        component: whose.
    """

    cluster: Cluster
    namespace: str
    release: str
    component: str

    @property
    def kubectl(self) -> str:
        """The beginning of a command for a person."""
        return f"kubectl --context {self.cluster.context} -n {self.namespace}"


def findings(place: Place) -> tuple[Finding, ...]:
    """Why the pods of a release do not work, causes first; empty when all that should be there are ready.

    Args:
        place: the release. Reads only.
    """
    pods = pods_of(place.cluster, place.namespace, place.release)
    waiting = [pod for pod in pods if not is_ready(pod) and not _over(pod)]
    events = _Events(place.cluster.find("v1", "Event", place.namespace)) if waiting or _lacking(place, pods) else None
    if events is None:
        return ()
    found = list(_not_made(place, events)) if _lacking(place, pods) else []
    for pod in waiting:
        found += [*_claims(place, pod, events), *_pod(place, pod, events)]
    return causes_first(found)


class _Events:
    """Events of a namespace by what they are about, oldest first."""

    def __init__(self, events: Iterable[Object]) -> None:
        self._events = sorted(events, key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or ""))

    def about(self, item: Object) -> list[tuple[str, str]]:
        """Reason and message of each event about an object, not about an earlier one of that name."""
        wanted, uid = (item["kind"], item["metadata"]["name"]), item["metadata"].get("uid")
        return [
            (str(one.get("reason")), str(one.get("message")))
            for one in self._events
            if ((about := one.get("involvedObject", {})).get("kind"), about.get("name")) == wanted
            and uid in (None, about.get("uid", uid))
        ]

    def of_creators(self, release: str) -> list[tuple[str, str]]:
        """The latest ``FailedCreate`` of each controller whose name begins with that of a release."""
        found = {
            f"{about['kind']} {about['name']}": str(one.get("message"))
            for one in self._events
            if one.get("reason") == "FailedCreate"
            and (about := one.get("involvedObject", {})).get("kind") in CREATORS
            and str(about.get("name", "")).startswith(release)
        }
        return list(found.items())


def _lacking(place: Place, pods: Sequence[Object]) -> bool:
    """Whether a workload of the release has fewer pods than it wants."""
    label = f"{INSTANCE_LABEL}={place.release}"
    kinds = (("apps/v1", "StatefulSet"), ("apps/v1", "Deployment"), ("batch/v1", "Job"))
    wanted = sum(
        int(item["spec"].get("replicas", item["spec"].get("parallelism", 1)))
        for kind in kinds
        for item in place.cluster.find(*kind, place.namespace, label)
        if not _over(item)
    )
    return len([pod for pod in pods if not _over(pod)]) < wanted


def _over(item: Object) -> bool:
    """Whether a job, or a pod, is through."""
    status = item.get("status", {})
    done = any(one["type"] == "Complete" and one["status"] == "True" for one in status.get("conditions") or [])
    return status.get("phase") == "Succeeded" or (item["kind"] == "Job" and done)


def _not_made(place: Place, events: _Events) -> Iterator[Finding]:
    for subject, message in events.of_creators(place.release):
        if "exceeded quota" in message or ("maximum" in message and "usage per" in message):
            name = message.partition("exceeded quota: ")[2].partition(",")[0]
            edit = f"{place.kubectl} edit resourcequota {name}" if name else f"{place.kubectl} get limitrange"
            step = f"Raise it (`{edit}`), or have {place.component} ask for less."
            yield Finding(CauseKind.QUOTA, subject, f"its pods may not be made: {message}", step)
        else:
            step = "Correct what the message names; `datamill plan` shows what would be applied."
            yield Finding(CauseKind.CONFIGURATION, subject, f"its pods are refused: {message}", step)


def _claims(place: Place, pod: Object, events: _Events) -> Iterator[Finding]:
    for volume in pod["spec"].get("volumes") or []:
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if name is None:
            continue
        claim = place.cluster.get(Ref("v1", "PersistentVolumeClaim", place.namespace, name))
        if claim is None:
            yield Finding(
                CauseKind.VOLUME, f"claim {name}", "it is not there", f"Run `datamill up -c {place.component}`."
            )
        elif claim.get("status", {}).get("phase") != "Bound":
            yield from _unbound(place, claim, events)


def _unbound(place: Place, claim: Object, events: _Events) -> Iterator[Finding]:
    name = str(claim["metadata"]["name"])
    wanted = claim["spec"].get("storageClassName")
    classes = place.cluster.find("storage.k8s.io/v1", "StorageClass")
    names = sorted(str(one["metadata"]["name"]) for one in classes)
    said = [f"{reason}: {text}" for reason, text in events.about(claim)]
    said = [text for text in said if text.partition(":")[0] not in CLAIM_WAITS]
    there = f"there are: {', '.join(names) or 'none'}"
    values = f"`components: {{{place.component}: {{values: {{storage: {{class_name: NAME}}}}}}}}`"
    if wanted and wanted not in names:
        says = f"its storage class {wanted!r} does not exist; {there}"
        step = f"Choose one that does ({values}), then `datamill down -c {place.component} --delete-data` and `up`."
    elif not wanted and not any(is_default(one) for one in classes):
        says = f"it names no storage class, and the cluster has no default one; {there}"
        step = f"Make one the default, or choose one: {values}."
    elif said:
        says = f"it is {claim.get('status', {}).get('phase', 'Pending')}: {said[-1]}"
        step = f"Look at whoever makes the volumes of the class {wanted!r}: `{place.kubectl} describe pvc {name}`."
    else:
        return  # it waits for its pod to get a node
    yield Finding(CauseKind.VOLUME, f"claim {name}", says, step)


def _pod(place: Place, pod: Object, events: _Events) -> Iterator[Finding]:
    name = str(pod["metadata"]["name"])
    subject = f"pod {name}"
    said = events.about(pod)
    cause = trouble(pod)
    if cause is not None and cause.reason in IMAGE:
        step = f"Load {_images(pod)}, or name another image: `datamill show {place.component} --values` has its origin."
        yield Finding(CauseKind.IMAGE, subject, f"{cause.reason} ({cause.message})", step)
    elif cause is not None and cause.reason in ("Unschedulable", "SchedulerError", "Evicted", "NodeLost"):
        step = "Make room on a node, or have it ask for less: `datamill plan` has the numbers."
        yield Finding(CauseKind.NODE, subject, f"{cause.reason} ({cause.message})", step)
    elif cause is not None and cause.reason in (
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    ):
        step = f"Put right what it names; `datamill up -c {place.component}` makes our own objects again."
        if not cause.final and cause.reason == "CreateContainerConfigError":
            step = "Its node has not read it yet and tries again by itself; if this lasts, look at that node's kubelet."
        yield Finding(CauseKind.CONFIGURATION, subject, f"{cause.reason} ({cause.message})", step)
    yield from _mounts(place, subject, said, pod)
    if pod.get("status", {}).get("phase") == "Pending" and not _started(pod):
        return
    yield from _running(place, pod, subject, said)


def _mounts(place: Place, subject: str, said: Sequence[tuple[str, str]], pod: Object) -> Iterator[Finding]:
    if _started(pod) or trouble(pod) is not None:
        return  # a mount that failed before is not why it fails now
    for reason, message in dict(said).items():
        if reason in ("FailedMount", "FailedAttachVolume", "FailedMapVolume"):
            ours = "not found" in message and ("secret" in message or "configmap" in message)
            kind = CauseKind.CONFIGURATION if ours else CauseKind.VOLUME
            step = f"`datamill up -c {place.component}` makes our own objects again; else `{place.kubectl} get events`."
            yield Finding(kind, subject, f"{reason}: {message}", step)
        elif reason == "FailedCreatePodSandBox":
            step = "Look at the node's container runtime and network: `kubectl describe node`."
            yield Finding(CauseKind.NODE, subject, f"{reason}: {message}", step)


def _running(place: Place, pod: Object, subject: str, said: Sequence[tuple[str, str]]) -> Iterator[Finding]:
    """About containers that were started at least once."""
    for status in container_statuses(pod):
        said_last = _log(place, pod, status)
        lines, ended = tuple(said_last[-LOG_LINES:]), last_end(status)
        if unknown := next((line for line in reversed(said_last) if UNKNOWN_NAME.search(line)), None):
            yield from _dns(place, subject, unknown, lines)
        if ended and not status.get("ready"):
            step = _crash_step(place, ended)
            again = f", {status['restartCount']} times so far" if status.get("restartCount") else ""
            yield Finding(CauseKind.CRASH, f"{subject}/{status['name']}", f"it {ended}{again}", step, lines)
        elif "running" in status.get("state", {}) and not status.get("ready"):
            probes = [message for reason, message in said if reason == "Unhealthy"]
            told = probes[-1] if probes else "it runs, and is not ready yet"
            step = f"Read its log (`datamill logs {place.component}`); a slow start may only need time."
            yield Finding(CauseKind.PROBE, f"{subject}/{status['name']}", told, step, lines)


def _crash_step(place: Place, ended: str) -> str:
    if OUT_OF_MEMORY in ended:
        return f"Give it more memory: `datamill show {place.component} --values` has the limit and the heap."
    return f"Correct what its last lines name; `datamill logs {place.component}` has more of them."


def _dns(place: Place, subject: str, line: str, lines: tuple[str, ...]) -> Iterator[Finding]:
    named, recent = SERVICE.search(line), line in lines
    if _name_server_is_away(place):
        step = (
            f"Repair it first: `kubectl --context {place.cluster.context} -n kube-system get pods -l k8s-app=kube-dns`."
        )
        says = "none of its pods is ready"
        yield Finding(CauseKind.DNS, "the cluster's name server", says, step, lines if recent else (line,))
    elif not recent:
        return  # what it said a while ago may have been cured since
    elif named and place.cluster.get(Ref("v1", "Service", named[2], named[1])) is None:
        says = f"there is no service {named[1]} in namespace {named[2]}: {line.strip()}"
        yield Finding(CauseKind.DNS, subject, says, "Bring up the component that it belongs to: `datamill up`.", lines)
    else:
        step = "Look whether the name is right, and whether a network policy keeps the pod from the name server."
        yield Finding(CauseKind.DNS, subject, f"a name is not known: {line.strip()}", step, lines)


def _name_server_is_away(place: Place) -> bool:
    """Where a cluster has one under the label that all have agreed on."""
    services = place.cluster.find("v1", "Service", "kube-system", "k8s-app=kube-dns")
    servers = place.cluster.find("v1", "Pod", "kube-system", "k8s-app=kube-dns")
    return bool(services or servers) and not any(is_ready(pod) for pod in servers)


def _log(place: Place, pod: Object, status: Object) -> list[str]:
    """The last lines of the container that failed: of the one before when the present one has not said anything.

    More than is shown, of one that is not ready: between two tries to find a name some servers say a lot.
    """
    name, container = str(pod["metadata"]["name"]), str(status["name"])
    again = bool(status.get("restartCount")) and "running" not in status.get("state", {})
    lines = LOG_LINES if status.get("ready") else SEARCHED_LINES
    return place.cluster.log(place.namespace, name, container, lines=lines, previous=again)


def _started(pod: Object) -> bool:
    return any("running" in status.get("state", {}) or last_end(status) for status in container_statuses(pod))


def _images(pod: Object) -> str:
    waiting = {status["name"] for status in container_statuses(pod) if "waiting" in status.get("state", {})}
    containers = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
    return ", ".join(str(one.get("image")) for one in containers if one["name"] in waiting)
