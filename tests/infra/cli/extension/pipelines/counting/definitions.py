"""Counting: flights by carrier, in a store that only this deployment has."""

import dagster as dg
import valkey

from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.jobs import pipeline_job

from .flights import flights_by_carrier


@dg.asset(key=["counts", "carriers"], deps=[["capability", "valkey"]])
def counts_carriers(platform: PlatformConnections) -> dg.MaterializeResult:
    """How many flights each carrier had in January."""
    connection = platform.get("valkey")
    counted = flights_by_carrier("2013-01")
    with valkey.Valkey(
        connection.text("host"), int(connection.text("port")), password=connection.text("password")
    ) as client:
        client.hset("carriers", mapping=counted)
    return dg.MaterializeResult(metadata={"dagster/row_count": len(counted)})


def build() -> dg.Definitions:
    """Asset and job."""
    job = pipeline_job("count", dg.AssetSelection.assets(counts_carriers), description="Carriers are counted.")
    return dg.Definitions(assets=[counts_carriers], jobs=[job])
