from __future__ import annotations

from typing import Any

import pytest

from datamill_infra.kubernetes.evidence import Place, findings
from datamill_infra.kubernetes.memory import MemoryCluster
from datamill_infra.kubernetes.objects import Object
from datamill_infra.model.causes import CauseKind, Finding

LABELS = {"app.kubernetes.io/instance": "frog"}
FAILED = {"terminated": {"exitCode": 1, "reason": "Error"}}


class Bog:
    """A release with one pod, of which a test says what is wrong."""

    def __init__(self) -> None:
        self.cluster = MemoryCluster()
        self.put("apps/v1", "StatefulSet", "frog", spec={"replicas": 1})
        self.put("storage.k8s.io/v1", "StorageClass", "standard", namespace="", annotations={})

    def put(self, version: str, kind: str, name: str, *, namespace: str = "mill", **more: Any) -> Object:  # noqa: ANN401
        annotations = more.pop("annotations", {})
        metadata = {"name": name, "namespace": namespace, "labels": LABELS, "annotations": annotations, "uid": name}
        item = {"apiVersion": version, "kind": kind, "metadata": metadata, **more}
        self.cluster.put(item)
        return item

    def pod(self, state: Object, *, ready: bool = False, phase: str = "Running", **status: object) -> None:
        spec = {
            "containers": [{"name": "web", "image": "frog:1"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-frog-0"}}],
        }
        container = {"name": "web", "ready": ready, "restartCount": 0, "state": state, **status.pop("container", {})}  # type: ignore[dict-item]
        conditions = [{"type": "Ready", "status": str(ready)}, *status.pop("conditions", [])]  # type: ignore[misc]
        told = {"phase": phase, "conditions": conditions, "containerStatuses": [container] if state else [], **status}
        self.put("v1", "Pod", "frog-0", spec=spec, status=told)

    def claim(self, phase: str = "Bound", wanted: str | None = "standard") -> None:
        spec = {"storageClassName": wanted} if wanted else {}
        self.put("v1", "PersistentVolumeClaim", "data-frog-0", spec=spec, status={"phase": phase})

    def event(self, kind: str, name: str, reason: str, message: str, uid: str | None = None) -> None:
        about = {"kind": kind, "name": name, "uid": uid or name}
        said = {"reason": reason, "message": message, "type": "Warning", "involvedObject": about}
        number = len(self.cluster.objects)
        self.put("v1", "Event", f"event-{number}", lastTimestamp=f"{number:04}", **said)

    def found(self) -> tuple[Finding, ...]:
        return findings(Place(self.cluster, "mill", "frog", "frog"))

    def first(self) -> Finding:
        return self.found()[0]


@pytest.fixture
def bog() -> Bog:
    made = Bog()
    made.claim()
    return made


def test_nothing_is_found_where_everything_is_ready(bog: Bog) -> None:
    bog.event("Pod", "frog-0", "Unhealthy", "Readiness probe failed: at first")
    bog.pod({"running": {}}, ready=True)
    assert () == bog.found()


def test_a_quota_that_is_used_up_is_told_with_its_numbers(bog: Bog) -> None:
    message = 'pods "frog-0" is forbidden: exceeded quota: small, requested: memory=1Gi, used: memory=0, limited: 1Mi'
    bog.event("StatefulSet", "frog", "FailedCreate", f"create Pod frog-0 failed error: {message}")
    assert (CauseKind.QUOTA, "StatefulSet frog") == (bog.first().kind, bog.first().subject)
    assert "requested: memory=1Gi" in bog.first().says
    assert "edit resourcequota small" in bog.first().step


def test_the_quota_of_a_deployments_and_of_a_jobs_pods_is_found_too(bog: Bog) -> None:
    for kind, name in (("ReplicaSet", "frog-7d9"), ("Job", "frog-init")):
        bog.event(kind, name, "FailedCreate", "exceeded quota: small, requested: pods=1")
    assert ["ReplicaSet frog-7d9", "Job frog-init"] == [one.subject for one in bog.found()]


def test_a_pod_that_the_namespace_refuses_is_a_matter_of_configuration(bog: Bog) -> None:
    bog.event("StatefulSet", "frog", "FailedCreate", 'pods "frog-0" is forbidden: violates PodSecurity "restricted"')
    assert CauseKind.CONFIGURATION is bog.first().kind


def test_a_refusal_that_is_over_is_not_told(bog: Bog) -> None:
    bog.event("StatefulSet", "frog", "FailedCreate", "exceeded quota: small")
    bog.pod({"running": {}}, ready=True)
    assert () == bog.found()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [("fast", "its storage class 'fast' does not exist; there are: standard"), (None, "no default one")],
)
def test_a_claim_without_a_storage_class_comes_before_the_pod_that_waits_for_it(
    bog: Bog, wanted: str | None, told: str
) -> None:
    bog.claim("Pending", wanted)
    unbound = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "unbound claims"}
    bog.pod({}, phase="Pending", conditions=[unbound])
    assert [CauseKind.VOLUME, CauseKind.NODE] == [one.kind for one in bog.found()]
    assert "claim data-frog-0" == bog.first().subject
    assert told in bog.first().says


def test_a_volume_that_nobody_could_make_is_told_in_the_words_of_its_maker(bog: Bog) -> None:
    bog.claim("Pending")
    bog.event("PersistentVolumeClaim", "data-frog-0", "ProvisioningFailed", "no space")
    bog.pod({}, phase="Pending")
    assert "it is Pending: ProvisioningFailed: no space" == bog.first().says


def test_a_claim_that_waits_for_a_node_is_not_the_cause(bog: Bog) -> None:
    bog.claim("Pending")
    bog.event("PersistentVolumeClaim", "data-frog-0", "WaitForFirstConsumer", "waiting")
    short = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient memory"}
    bog.pod({}, phase="Pending", conditions=[short])
    assert ["Unschedulable (Insufficient memory)"] == [one.says for one in bog.found()]
    assert CauseKind.NODE is bog.first().kind


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("ImagePullBackOff", CauseKind.IMAGE),
        ("ErrImageNeverPull", CauseKind.IMAGE),
        ("CreateContainerConfigError", CauseKind.CONFIGURATION),
    ],
)
def test_what_a_container_waits_for_is_told(bog: Bog, reason: str, kind: CauseKind) -> None:
    bog.pod({"waiting": {"reason": reason, "message": "because"}}, phase="Pending")
    assert [(kind, f"{reason} (because)")] == [(one.kind, one.says) for one in bog.found()]


def test_a_configuration_that_its_node_has_not_read_yet_is_nothing_to_put_right(bog: Bog) -> None:
    waits = {"reason": "CreateContainerConfigError", "message": "failed to sync secret cache: timed out"}
    bog.pod({"waiting": waits}, phase="Pending")
    assert "tries again by itself" in bog.first().step


def test_the_image_is_named(bog: Bog) -> None:
    bog.pod({"waiting": {"reason": "ErrImagePull", "message": ""}}, phase="Pending")
    assert "frog:1" in bog.first().step


def test_a_mount_that_fails_is_told_only_while_it_does(bog: Bog) -> None:
    bog.event("Pod", "frog-0", "FailedMount", 'MountVolume.SetUp failed: secret "frog-credentials" not found')
    bog.pod({"waiting": {"reason": "ContainerCreating"}}, phase="Pending")
    assert [CauseKind.CONFIGURATION] == [one.kind for one in bog.found()]
    bog.pod({"waiting": {"reason": "ErrImagePull"}}, phase="Pending")
    assert [CauseKind.IMAGE] == [one.kind for one in bog.found()]


def test_events_of_an_earlier_pod_of_the_same_name_do_not_count(bog: Bog) -> None:
    bog.event("Pod", "frog-0", "FailedMount", "it was so once", uid="earlier")
    bog.pod({"waiting": {"reason": "ContainerCreating"}}, phase="Pending")
    assert () == bog.found()


@pytest.mark.parametrize("state", [FAILED, {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}])
def test_a_crash_is_told_with_its_last_lines(bog: Bog, state: Object) -> None:
    bog.cluster.logs["frog-0", "web"] = ["starting", "no such pond"]
    bog.pod(state, container={"restartCount": 2, "lastState": FAILED})
    assert [(CauseKind.CRASH, "it ended with status 1 (Error), 2 times so far", ("starting", "no such pond"))] == [
        (one.kind, one.says, one.lines) for one in bog.found()
    ]


def test_a_server_without_memory_needs_more_of_it(bog: Bog) -> None:
    bog.pod({"terminated": {"exitCode": 137, "reason": "OOMKilled"}})
    assert bog.first().step.startswith("Give it more memory")


def test_a_name_that_is_not_known_comes_before_the_crash_it_causes(bog: Bog) -> None:
    bog.cluster.logs["frog-0", "web"] = ["java.net.UnknownHostException: pond.mill.svc", "bye"]
    bog.pod(FAILED)
    assert [CauseKind.DNS, CauseKind.CRASH] == [one.kind for one in bog.found()]
    assert "there is no service pond in namespace mill" in bog.first().says


def test_a_name_server_that_is_away_is_told_first(bog: Bog) -> None:
    bog.cluster.logs["frog-0", "web"] = ["getaddrinfo: Temporary failure in name resolution"]
    bog.pod(FAILED)
    server = {"name": "coredns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}}
    bog.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": server, "spec": {}, "status": {}})
    assert "the cluster's name server: none of its pods is ready" == str(bog.first())


@pytest.mark.parametrize(("away", "kind"), [(True, CauseKind.DNS), (False, CauseKind.PROBE)])
def test_a_name_that_was_not_known_a_while_ago_matters_while_the_name_server_is_away(
    bog: Bog, *, away: bool, kind: CauseKind
) -> None:
    bog.cluster.logs["frog-0", "web"] = ["UnknownHostException: pond.mill.svc", *["waiting"] * 100]
    bog.pod({"running": {}})
    service = {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}}
    if away:  # not even a pod
        bog.cluster.put({"apiVersion": "v1", "kind": "Service", "metadata": service, "spec": {}})
    assert kind is bog.first().kind


def test_a_probe_that_fails_is_told_in_its_words(bog: Bog) -> None:
    bog.event("Pod", "frog-0", "Unhealthy", "Readiness probe failed: 503")
    bog.pod({"running": {}})
    assert [(CauseKind.PROBE, "pod frog-0/web", "Readiness probe failed: 503")] == [
        (one.kind, one.subject, one.says) for one in bog.found()
    ]


def test_an_evicted_pod_is_a_matter_of_the_node(bog: Bog) -> None:
    bog.pod({}, phase="Failed", reason="Evicted", message="The node was low on memory.")
    assert CauseKind.NODE is bog.first().kind
