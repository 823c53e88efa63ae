"""Runs and steps in a real cluster whose pods are taken away, or cannot be made: they end, and say why."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from cluster.demo import Demo

from datamill_infra.drivers.rollout import Rollout
from datamill_infra.kubernetes.objects import Object, Ref, labels_of
from datamill_infra.orchestration.launching import RunEnd, RunEvent, follow, launch
from datamill_infra.orchestration.web import DagsterWeb

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

SECONDS = 60.0
"""From what ended a pod to the end of its run."""
STEP, RUN = "dagster/op", "dagster/run-id"


def test_a_step_whose_image_is_not_there_ends_its_run_with_that_reason(demo: Demo) -> None:
    config = {"execution": {"config": {"job_image": "datamill.lab/nowhere:0", "image_pull_policy": "Never"}}}
    ended, heard, _ = _launched(demo, config=config)
    assert "FAILURE" == ended.status
    assert any("ErrImageNeverPull" in one for one in heard), heard


def test_a_run_that_a_quota_keeps_from_starting_ends_with_that_reason(demo: Demo) -> None:
    ref = Ref("v1", "ResourceQuota", f"{demo.namespace}-runs", "none")
    metadata = {"name": ref.name, "namespace": ref.namespace}
    demo.cluster.create(
        {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, "spec": {"hard": {"pods": "0"}}}
    )
    try:
        ended, heard, seconds = _launched(demo)
    finally:
        demo.cluster.delete(ref)
    assert "FAILURE" == ended.status
    assert any("exceeded quota: none" in one for one in heard), heard
    assert seconds < SECONDS


AT_ONCE = {"gracePeriodSeconds": 0}
"""As when a node goes away; with time left, the process itself says that it was interrupted, or finishes."""


def _deleted(demo: Demo, pod: Object) -> None:
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    demo.cluster._request("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}", body=AT_ONCE)


def _evicted(demo: Demo, pod: Object) -> None:
    """As the API server's own eviction does it, e.g. for ``kubectl drain``."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    metadata = {"name": name, "namespace": namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata, "deleteOptions": AT_ONCE}
    demo.cluster._request("POST", f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", body=body)


@pytest.mark.parametrize(("step", "away"), [(True, _deleted), (False, _evicted)], ids=["step", "run"])
def test_a_run_whose_pod_is_taken_away_ends_and_says_so(
    demo: Demo, step: bool, away: Callable[[Demo, Object], None]
) -> None:
    ended, heard, seconds = _launched(demo, away=lambda run: away(demo, _pod(demo, run, step=step)))
    assert "FAILURE" == ended.status, "\n".join(heard)
    assert seconds < SECONDS
    assert any(word in one for one in heard for word in ("pod", "job")), "\n".join(heard)
    left = demo.cluster.find("v1", "Secret", f"{demo.namespace}-runs")
    assert [] == [item["metadata"]["name"] for item in left if RUN in labels_of(item)]


def _launched(
    demo: Demo, *, config: dict[str, object] | None = None, away: Callable[[str], None] = lambda _: None
) -> tuple[RunEnd, list[str], float]:
    """A small run: how it ended, what it said, and the seconds since its pod was taken away."""
    heard: list[RunEvent] = []
    with Rollout(demo.deployment).door("dagster") as connection:
        web = DagsterWeb(connection)
        # Not retried: what is looked at is this run.
        run = launch(web, "ingest", assets=["raw/planes"], config=config, tags={"dagster/max_retries": "0"})
        away(run)
        began = time.monotonic()
        ended = follow(lambda: web, run, heard.append)
    return ended, [event.message for event in heard], time.monotonic() - began


def _pod(demo: Demo, run: str, *, step: bool) -> Object:
    """The pod of a run or of its step, once it runs."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for pod in demo.cluster.find("v1", "Pod", f"{demo.namespace}-runs", f"{RUN}={run}"):
            if (STEP in labels_of(pod)) == step and pod["status"]["phase"] == "Running":
                return pod
        time.sleep(0.3)
    raise AssertionError(f"no pod of {run} came to run")
