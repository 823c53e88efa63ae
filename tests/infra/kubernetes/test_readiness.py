from __future__ import annotations

from typing import Any

import pytest

from datamill_infra.kubernetes.readiness import REVISION_LABEL, stuck, unready


def workload(kind: str, replicas: int = 2, generation: int = 3, **status: object) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"generation": generation},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": 3, **status},
    }


SAME = {"currentRevision": "a", "updateRevision": "a"}


@pytest.mark.parametrize(
    "item",
    [
        workload("Deployment", replicas=2, updatedReplicas=2, readyReplicas=2),
        workload("StatefulSet", updatedReplicas=0, readyReplicas=2, **SAME),
        workload("DaemonSet", desiredNumberScheduled=1, updatedNumberScheduled=1, numberAvailable=1),
        {"kind": "Job", "metadata": {}, "status": {"conditions": [{"type": "Complete", "status": "True"}]}},
        workload("Deployment", replicas=0),
    ],
)
def test_what_has_reached_its_state_is_ready(item: dict[str, Any]) -> None:
    if item["kind"] == "StatefulSet":
        item["status"]["replicas"] = 2  # what it has, beside what was asked for
    assert unready(item) is None


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (workload("Deployment", generation=4), "its controller has not looked at it yet"),
        (workload("Deployment", updatedReplicas=1, readyReplicas=2), "1 of 2 pods are up to date"),
        (workload("Deployment", updatedReplicas=2, readyReplicas=1), "1 of 2 pods are ready"),
        (workload("StatefulSet", updatedReplicas=1, currentRevision="a", updateRevision="b"), "1 of 2 pods are up to"),
        (workload("DaemonSet", desiredNumberScheduled=2, updatedNumberScheduled=2), "0 of 2 pods are ready"),
        ({"kind": "Job", "metadata": {}, "status": {}}, "it has not completed"),
    ],
)
def test_what_is_on_its_way_says_how_far_it_is(item: dict[str, Any], reason: str) -> None:
    assert reason in str(unready(item))


def test_pods_that_are_still_to_go_are_told() -> None:
    item = workload("StatefulSet", readyReplicas=3, **SAME)
    item["status"]["replicas"] = 3
    assert "1 of its old pods are still there" == unready(item)


def pod(phase: str = "Pending", revision: str = "b", owner: str = "frog", **metadata: object) -> dict[str, Any]:
    given = {"labels": {REVISION_LABEL: revision}, "ownerReferences": [{"kind": "StatefulSet", "name": owner}]}
    ready = {"type": "Ready", "status": "True" if phase == "Running" else "False"}
    return {
        "kind": "Pod",
        "metadata": {"name": f"{owner}-0", **given, **metadata},
        "status": {"phase": phase, "conditions": [ready]},
    }


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (True, pod()),
        (False, pod("Running")),
        (False, pod(revision="a")),
        (False, pod(owner="fly")),
        (False, pod(deletionTimestamp="2026-11-26T00:00:00Z")),
    ],
)
def test_only_a_pod_of_an_older_revision_that_does_not_run_is_stuck(wanted: bool, found: dict[str, Any]) -> None:
    item = workload("StatefulSet", updateRevision="a")
    item["metadata"]["name"] = "frog"
    assert wanted == stuck(item, found)
    item["metadata"]["generation"] = 4  # its controller may still see the older one as the newest
    assert not stuck(item, found)
