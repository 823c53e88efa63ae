"""Where the steps of a run are executed: in processes of this machine, or in a cluster as jobs of their own."""

from __future__ import annotations

import os

import dagster as dg

# More than two busy processes on two cores only wait for each other; the third is for steps that wait for a server.
MAX_CONCURRENT_STEPS = 3
IN_A_POD = "KUBERNETES_SERVICE_HOST"
"""Kubernetes sets it in every container."""

FORKED = dg.multiprocess_executor.configured(
    {
        "max_concurrent": MAX_CONCURRENT_STEPS,
        "start_method": {"forkserver": {"preload_modules": ["datamill_pipelines.preload"]}},
    },
    name="forked",
)


def step_executor(target: str) -> dg.ExecutorDefinition:
    """The executor of a deployment's runs.

    Args:
        target: its kind, e.g. ``"embedded"``.
    """
    if target == "embedded" or IN_A_POD not in os.environ:
        return FORKED
    from datamill_pipelines.step_jobs import STEP_JOBS  # noqa: PLC0415  (slow to import, and of use in pods only)

    return STEP_JOBS
