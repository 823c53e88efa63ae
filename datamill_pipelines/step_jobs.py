"""Steps as Kubernetes jobs: Dagster's executor, and the reason when the pod of a step cannot start or has vanished."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import dagster as dg
from dagster._core.definitions.executor_definition import multiple_process_executor_requirements
from dagster._core.executor.step_delegating import CheckStepHealthResult, StepDelegatingExecutor, StepHandler
from dagster_k8s import k8s_job_executor
from dagster_k8s.executor import K8sStepHandler

from datamill_infra.kubernetes.job_client import cause_of, pods_of_job
from datamill_infra.kubernetes.jobs import ended
from datamill_pipelines.executor import MAX_CONCURRENT_STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dagster._config import ConfigType
    from dagster._core.executor.step_delegating import StepHandlerContext


class WatchedSteps(StepHandler):
    """Dagster's handler, which says why a step did not run.

    Args:
        handler: Dagster's.
    """

    def __init__(self, handler: K8sStepHandler) -> None:
        super().__init__()
        self._handler = handler

    @property
    def name(self) -> str:
        """For Dagster's messages."""
        return str(self._handler.name)

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """Make the job of a step."""
        return self._handler.launch_step(step_handler_context)

    def terminate_step(self, step_handler_context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """Delete the job of a step."""
        return self._handler.terminate_step(step_handler_context)

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        """Whether the pod of a step runs, or may run yet; a reason when not."""
        health = self._handler.check_step_health(step_handler_context)
        client = self._handler._api_client  # noqa: SLF001  (it is logged in already)
        namespace = str(self._handler._get_container_context(step_handler_context).namespace)  # noqa: SLF001
        job = self._handler._get_k8s_step_job_name(step_handler_context)  # noqa: SLF001
        if not health.is_healthy:
            told = ended(pods_of_job(client, namespace, job))
            return CheckStepHealthResult.unhealthy("; ".join(filter(None, (health.unhealthy_reason, told))))
        cause = cause_of(client, namespace, job)
        return CheckStepHealthResult.unhealthy(f"The step cannot start: {cause}.") if cause else health


def _with_reasons(context: dg.InitExecutorContext) -> StepDelegatingExecutor:
    """What Dagster's executor makes, whose handler is ours."""
    made = k8s_job_executor.executor_creation_fn
    executor = made(context) if made else None
    handler = getattr(executor, "_step_handler", None)
    if not isinstance(executor, StepDelegatingExecutor) or not isinstance(handler, K8sStepHandler):
        raise TypeError(executor)  # it is another Dagster than the locked one
    executor._step_handler = WatchedSteps(handler)  # noqa: SLF001  (it takes none)
    return executor


STEP_JOBS: dg.ExecutorDefinition = dg.ExecutorDefinition(
    name="jobs",
    config_schema=cast("ConfigType", k8s_job_executor.config_schema),
    requirements=multiple_process_executor_requirements(),
    executor_creation_fn=_with_reasons,
    description="Each step is a job of Kubernetes.",
).configured(
    # What a run says comes first. What is left of a step goes when the pod of its run goes.
    lambda given: {"max_concurrent": MAX_CONCURRENT_STEPS, **given, "enable_owner_references": True},
    config_schema=cast("ConfigType", k8s_job_executor.config_schema),
    name="jobs",
)
