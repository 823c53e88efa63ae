"""Where steps run, and what is said of one that does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest
from dagster._core.executor.step_delegating import CheckStepHealthResult
from dagster._core.system_config.objects import ResolvedRunConfig
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import UserDefinedDagsterK8sConfig, get_user_defined_k8s_config
from kubernetes.client import ApiClient

from datamill_pipelines import executor
from datamill_pipelines.executor import FORKED, step_executor
from datamill_pipelines.step_jobs import STEP_JOBS, WatchedSteps

NOWHERE = {"state": {"waiting": {"reason": "ErrImageNeverPull", "message": "no such image"}}, "name": "dagster"}
KILLED = {"state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}, "name": "dagster"}


class Core:
    """What the API server has of one job."""

    def __init__(self, *statuses: dict[str, Any], events: tuple[dict[str, Any], ...] = ()) -> None:
        self.api_client = ApiClient()
        self.pods = [{"metadata": {"name": "step"}, "status": {"containerStatuses": [one]}} for one in statuses]
        self.events = list(events)

    def list_namespaced_pod(self, namespace: str, label_selector: str) -> SimpleNamespace:
        assert ("runs", "job-name=dagster-step-1") == (namespace, label_selector)
        return SimpleNamespace(items=self.pods)

    def list_namespaced_event(self, namespace: str, field_selector: str) -> SimpleNamespace:
        assert "involvedObject.name=dagster-step-1" in field_selector
        del namespace
        return SimpleNamespace(items=self.events)


def health(core: Core, result: CheckStepHealthResult) -> CheckStepHealthResult:
    handler = SimpleNamespace(
        _api_client=SimpleNamespace(core_api=core),
        _get_container_context=lambda _: SimpleNamespace(namespace="runs"),
        _get_k8s_step_job_name=lambda _: "dagster-step-1",
        check_step_health=lambda _: result,
    )
    return WatchedSteps(cast("Any", handler)).check_step_health(cast("Any", None))


def test_a_step_whose_pod_will_never_run_is_unhealthy_with_the_reason() -> None:
    found = health(Core(NOWHERE), CheckStepHealthResult.healthy())
    assert not found.is_healthy
    assert "The step cannot start: pod step: ErrImageNeverPull (no such image)." == found.unhealthy_reason
    quota = {"reason": "FailedCreate", "message": "exceeded quota"}
    assert not health(Core(events=(quota,)), CheckStepHealthResult.healthy()).is_healthy


def test_a_step_that_pulls_its_image_or_waits_for_a_node_is_let_alone() -> None:
    pulling = {"state": {"waiting": {"reason": "ContainerCreating"}}, "name": "dagster"}
    assert health(Core(pulling), CheckStepHealthResult.healthy()).is_healthy
    assert health(Core(), CheckStepHealthResult.healthy()).is_healthy


def test_what_ended_a_step_is_said_after_what_dagster_says() -> None:
    found = health(Core(KILLED), CheckStepHealthResult.unhealthy("The job failed."))
    expected = "The job failed.; pod step: its container ended with status 137 (OOMKilled)"
    assert expected == found.unhealthy_reason


def test_steps_are_jobs_in_a_pod_of_a_cluster_and_processes_everywhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(executor.IN_A_POD, raising=False)
    assert [FORKED, FORKED] == [step_executor(target) for target in ("embedded", "kind")]
    monkeypatch.setenv(executor.IN_A_POD, "10.0.0.1")
    assert [FORKED, STEP_JOBS] == [step_executor(target) for target in ("embedded", "kind")]


def test_a_run_may_say_how_its_steps_are_to_be() -> None:
    seen: dict[str, Any] = {}

    @dg.job(executor_def=STEP_JOBS)
    def empty() -> None:
        """No step."""

    for given in ({}, {"job_image": "nowhere:0", "max_concurrent": 7}):
        resolved = ResolvedRunConfig.build(empty, {"execution": {"config": given}} if given else {})
        seen.update(resolved.execution.execution_engine_config)
        assert given.items() <= seen.items()
    assert 7 == seen["max_concurrent"]


@pytest.mark.filterwarnings("ignore:Parameter `backfill_policy`:dagster_shared.utils.warnings.BetaWarning")
def test_a_step_with_a_size_of_its_own_keeps_what_it_does_not_say() -> None:
    from datamill_pipelines.batch.assets import features_flight_delay  # warns when it is imported

    every = {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"cpu": "2", "memory": "2Gi"}}
    own = get_user_defined_k8s_config(features_flight_delay.op.tags)
    defaults = UserDefinedDagsterK8sConfig(container_config={"resources": every})
    merged = K8sContainerContext(run_k8s_config=defaults).merge(K8sContainerContext(run_k8s_config=own))
    wanted = {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "3Gi"}}
    assert wanted == merged.run_k8s_config.container_config["resources"]
