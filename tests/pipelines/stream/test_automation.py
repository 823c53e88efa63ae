"""A schedule and a sensor that never ask for what is being done already."""

from __future__ import annotations

import dagster as dg
import pytest

from datamill_pipelines.stream.automation import is_at_work

JOB = "land_weather"


@dg.job(name=JOB)
def landing() -> None:
    """Stands for the job of this name."""


@pytest.mark.parametrize(
    ("status", "expected"),
    [("STARTING", True), ("STARTED", True), ("CANCELING", True), ("SUCCESS", False), ("FAILURE", False)],
)
def test_a_job_is_at_work_until_its_run_has_ended(status: str, expected: bool) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.create_run_for_job(landing, status=dg.DagsterRunStatus(status))
        assert expected == is_at_work(instance, JOB)
        assert not is_at_work(instance, "another")
