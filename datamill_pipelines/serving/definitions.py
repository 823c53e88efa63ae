"""The serving pipeline: publish the champion, predict, record."""

from __future__ import annotations

import dagster as dg

from datamill_pipelines.jobs import pipeline_job
from datamill_pipelines.serving.assets import MODEL, predictions_flight_delay, serving_flight_delay
from datamill_pipelines.serving.checks import predictions_valid, serving_is_champion


def build() -> dg.Definitions:
    """Assets, checks and the job ``serve``."""
    return dg.Definitions(
        assets=[serving_flight_delay, predictions_flight_delay],
        asset_checks=[serving_is_champion, predictions_valid],
        jobs=[
            pipeline_job(
                "serve",
                dg.AssetSelection.assets(["serving", MODEL], ["predictions", MODEL]),
                description="Loads the champion into the model server and records predictions for unseen flights.",
            )
        ],
    )
