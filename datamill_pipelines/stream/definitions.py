"""The stream pipeline."""

from __future__ import annotations

import dagster as dg

from datamill_pipelines.stream.assets import ASSETS
from datamill_pipelines.stream.automation import LAND, LAND_FLIGHTS, LAND_WEATHER, flights_lag, weather_regularly
from datamill_pipelines.stream.checks import CHECKS


def build() -> dg.Definitions:
    """Sinks from the brokers into commits."""
    return dg.Definitions(
        assets=ASSETS,
        asset_checks=CHECKS,
        jobs=[LAND, LAND_FLIGHTS, LAND_WEATHER],
        schedules=[weather_regularly],
        sensors=[flights_lag],
    )
