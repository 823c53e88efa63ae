"""What the job of a step asks its node for, where a step needs other than what all runs get."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TAG = "dagster-k8s/config"
"""By which Dagster's executor for Kubernetes knows it; others do not look at it."""


def step_resources(*, cpu: str, memory: str, at_most: str) -> Mapping[str, object]:
    """Tags of an asset's step, for ``op_tags``.

    Args:
        cpu: reserved, e.g. ``250m`` for a quarter of a core; more is used where nobody else wants it.
        memory: reserved, e.g. ``1Gi``.
        at_most: memory that ends the step when it is exceeded.
    """
    resources = {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": at_most}}
    return {TAG: {"container_config": {"resources": resources}}}
