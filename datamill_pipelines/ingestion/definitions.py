"""The ingestion pipeline."""

from __future__ import annotations

import dagster as dg

from datamill_pipelines.ingestion.assets import ASSETS
from datamill_pipelines.ingestion.checks import CHECKS
from datamill_pipelines.jobs import pipeline_job


def build() -> dg.Definitions:
    """Replay of events, and the reference tables."""
    ingest = pipeline_job(
        "ingest",
        dg.AssetSelection.assets(*ASSETS),
        description="The months' flights and observations are in the brokers, planes and airports in commits.",
    )
    return dg.Definitions(assets=ASSETS, asset_checks=CHECKS, jobs=[ingest])
