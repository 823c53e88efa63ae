from __future__ import annotations

from typing import Any

import pytest

from datamill_infra.kubernetes.memory import MemoryCluster
from datamill_infra.kubernetes.pods import explain, is_ready, restarts, story, trouble, warnings


def pod(*statuses: dict[str, Any], phase: str = "Running", **status: object) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "frog-0", "namespace": "mill", "labels": {"app.kubernetes.io/instance": "frog"}},
        "spec": {"containers": [{"name": "web"}]},
        "status": {"phase": phase, "containerStatuses": list(statuses), **status},
    }


def waiting(reason: str, message: str = "", **more: object) -> dict[str, Any]:
    return {"name": "web", "state": {"waiting": {"reason": reason, "message": message}}, **more}


KILLED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}


@pytest.mark.parametrize(
    ("found", "told", "final"),
    [
        (pod(waiting("ImagePullBackOff", "no such tag")), "pod frog-0: ImagePullBackOff (no such tag)", True),
        (pod(waiting("ErrImagePull", "slow")), "pod frog-0: ErrImagePull (slow)", False),
        (pod(waiting("CreateContainerConfigError", 'secret "x" not found')), 'secret "x" not found', True),
        (pod(waiting("CreateContainerConfigError", "failed to sync secret cache: timed out")), "timed out", False),
        (pod(waiting("CreateContainerConfigError", "services have not yet been read")), "not yet been read", False),
        (pod(waiting("CreateContainerConfigError", 'object "mill"/"x" not registered')), "not registered", False),
        (
            pod(waiting("CrashLoopBackOff", "back-off", restartCount=1, lastState=KILLED)),
            "status 137 (OOMKilled)",
            False,
        ),
        (
            pod(waiting("CrashLoopBackOff", "back-off", restartCount=3, lastState=KILLED)),
            "status 137 (OOMKilled)",
            True,
        ),
    ],
)
def test_what_keeps_a_pod_from_running_is_told_and_whether_waiting_helps(
    found: dict[str, Any], told: str, final: bool
) -> None:
    cause = trouble(found)
    assert cause is not None
    assert told in str(cause)
    assert final is cause.final


def test_a_pod_without_a_node_says_why() -> None:
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]
    assert "pod frog-0: Unschedulable (0/1 nodes)" == str(trouble(pod(phase="Pending", conditions=conditions)))


def test_an_evicted_pod_says_so() -> None:
    found = pod(phase="Failed", reason="Evicted", message="The node was low on memory.")
    assert "pod frog-0: Evicted (The node was low on memory.)" == str(trouble(found))


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_pod_that_is_being_made_is_in_no_trouble(reason: str) -> None:
    assert trouble(pod(waiting(reason), phase="Pending")) is None


def test_a_pod_that_is_going_is_in_no_trouble() -> None:
    going = pod(waiting("ErrImageNeverPull"))
    going["metadata"]["deletionTimestamp"] = "2026-11-26T00:00:00Z"
    assert trouble(going) is None


def test_a_pod_that_is_going_is_not_ready() -> None:
    found = pod(conditions=[{"type": "Ready", "status": "True"}])
    assert is_ready(found)
    found["metadata"]["deletionTimestamp"] = "now"
    assert not is_ready(found)


def test_its_past_is_told_in_a_sentence() -> None:
    found = pod({"name": "web", "state": {"running": {}}, "restartCount": 2, "lastState": KILLED})
    assert 2 == restarts(found)
    assert "web was restarted 2 times, last because it ended with status 137 (OOMKilled)." == story(found)


def event(name: str, message: str, at: str, kind: str = "Warning") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{at}", "namespace": "mill"},
        "type": kind,
        "reason": "Failed",
        "message": message,
        "lastTimestamp": at,
        "involvedObject": {"kind": "Pod", "name": name},
    }


def test_an_explanation_has_the_cause_the_warnings_and_the_last_lines() -> None:
    cluster = MemoryCluster()
    cluster.put(pod(waiting("CrashLoopBackOff", restartCount=3, lastState=KILLED)))
    for one in (
        event("frog-0", "second", "2"),
        event("frog-0", "first", "1"),
        event("frog-0", "fine", "3", kind="Normal"),
        event("toad-0", "other", "4"),
    ):
        cluster.put(one)
    earlier = event("frog-0", "about the pod that was there before", "5")
    earlier["involvedObject"]["uid"] = "earlier"
    cluster.put(earlier)
    cluster.logs["frog-0", "web"] = ["out of memory"]
    assert ["Pod frog-0: Failed: first", "Pod frog-0: Failed: second"] == warnings(cluster, "mill", "frog")
    lines = explain(cluster, "mill", "frog").splitlines()
    assert lines[0].startswith("pod frog-0: CrashLoopBackOff (ended with status 137")
    assert ["The last lines of frog-0/web:", "    out of memory"] == lines[-2:]
