"""The training pipeline, and its schedule: the month's features and a new challenger, on the second of each month."""

from __future__ import annotations

import dagster as dg

from datamill_pipelines.jobs import pipeline_job
from datamill_pipelines.training.assets import MODEL, models_flight_delay
from datamill_pipelines.training.checks import champion_passed_gate


def build() -> dg.Definitions:
    """Asset, check, job and schedule."""
    job = pipeline_job(
        "train",
        dg.AssetSelection.assets(["models", MODEL]),
        description="Trains a challenger, registers it, and lets the gate decide about the champion.",
    )
    schedule = dg.ScheduleDefinition(
        name="train_monthly",
        job=job,
        cron_schedule="0 3 2 * *",
        description="On the second of each month at 03:00 UTC; equal features and code train nothing.",
    )
    return dg.Definitions(
        assets=[models_flight_delay], asset_checks=[champion_passed_gate], jobs=[job], schedules=[schedule]
    )
