"""The batch pipeline, and its schedule: the features of a month, when the month is over."""

from __future__ import annotations

import dagster as dg

from datamill_pipelines.batch.assets import FEATURES, features_flight_delay
from datamill_pipelines.batch.checks import features_checks
from datamill_pipelines.batch.resources import DaskClients, SparkSessions
from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.jobs import pipeline_job


def build() -> dg.Definitions:
    """Asset, checks, job, schedule and the engines' resources."""
    job = pipeline_job(
        "features",
        dg.AssetSelection.assets(FEATURES),
        description="The months' features are a commit that names the raw commits it was made of.",
    )
    schedule = dg.build_schedule_from_partitioned_job(
        job,
        name="features_monthly",
        description="The features of a month, when it is over.",
        day_of_month=1,
        hour_of_day=2,
    )
    platform = PlatformConnections()
    return dg.Definitions(
        assets=[features_flight_delay],
        asset_checks=[features_checks],
        jobs=[job],
        schedules=[schedule],
        resources={"spark": SparkSessions(platform=platform), "dask": DaskClients(platform=platform)},
    )
