"""Jobs over assets, each beginning with the capabilities that its assets need.

A blocking check stops only the run it is part of, and a check in another code location stops nothing here. So a job
contains the ``capability/<name>`` assets its assets depend on; when one fails, every step behind it is not started.
:mod:`.definitions` refuses a job that leaves one out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagster import UnresolvedAssetJobDefinition

CAPABILITY = "capability"
"""First part of the key of every capability asset."""

FLIGHT_DELAY = "flight_delay"
"""The job of the whole example."""

RESERVED = "sink"
"""What no job may be called: `datamill run sink` lands what a broker holds."""


def pipeline_job(
    name: str,
    selection: dg.AssetSelection,
    *,
    description: str,
    tags: Mapping[str, str] | None = None,
) -> UnresolvedAssetJobDefinition:
    """A job over ``selection`` and the capabilities that it needs.

    Args:
        name: a verb or the product's name.
        selection: the data assets.
        description: one sentence: what exists afterwards.
        tags: of the job and its runs.
    """
    needed = selection.upstream(depth=1) & dg.AssetSelection.key_prefixes([CAPABILITY])
    return dg.define_asset_job(name, selection=selection | needed, description=description, tags=tags)


def flight_delay_job() -> UnresolvedAssetJobDefinition:
    """The whole example: from replayed events to recorded predictions."""
    predictions = dg.AssetSelection.assets(["predictions", "flight_delay"])
    # Everything upstream, as far as this code location goes; `infra/*` belongs to the other one.
    return pipeline_job(
        FLIGHT_DELAY,
        predictions.upstream() - dg.AssetSelection.key_prefixes([CAPABILITY], ["infra"]),
        description="Replays flights and weather, lands them as commits, builds features, trains, serves, predicts.",
    )
