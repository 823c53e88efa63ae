"""Steps as Kubernetes jobs: Dagster's executor, with the settings of this project."""

from __future__ import annotations

from dagster_k8s import k8s_job_executor

from datamill_pipelines.executor import MAX_CONCURRENT_STEPS

STEP_JOBS = k8s_job_executor.configured(
    # What is left of a step goes when the pod of its run goes.
    {"max_concurrent": MAX_CONCURRENT_STEPS, "enable_owner_references": True},
    name="jobs",
)
