"""Which published observations are landed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_pipelines.datasets.errors import NotFoundError
from datamill_pipelines.ingestion.weather_publisher import observations
from datamill_pipelines.stream.identified import ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamill_pipelines.datasets import DatasetStore


def missing_observations(store: DatasetStore, months: Sequence[str]) -> list[str]:
    """Ids of the observations of some months that ``raw/weather`` does not have, sorted."""
    if not months:
        return []
    try:
        landed = set(store.commit_view("raw/weather@main").table(columns=[ID])[ID].to_pylist())
    except NotFoundError:
        landed = set()
    return sorted({each.message_id for each in observations(months)} - landed)
