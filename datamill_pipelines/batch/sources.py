"""What the batch reads: columns of the raw tables, and where their files are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_pipelines.batch.knowledge import WEATHER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

INSTANT = "timestamp[us, tz=UTC]"

FLIGHTS: Mapping[str, str] = {
    **dict.fromkeys(
        ("year", "month", "day", "sched_dep_time", "sched_arr_time", "minute", "flight", "distance"), "int64"
    ),
    **dict.fromkeys(("dep_delay", "arr_delay", "air_time"), "int64"),
    **dict.fromkeys(("carrier", "tailnum", "origin", "dest"), "string"),
    "time_hour": INSTANT,
}
"""Type by name of the columns read from ``raw/flights``."""

OBSERVATIONS: Mapping[str, str] = {
    "origin": "string",
    **dict.fromkeys(WEATHER, "double"),
    "wind_dir": "int64",
    "time_hour": INSTANT,
}
"""... from ``raw/weather``."""

PLANES: Mapping[str, str] = {"tailnum": "string", "year": "int64", "seats": "int64"}
"""... from ``raw/planes``."""

AIRPORTS: Mapping[str, str] = {"faa": "string", "lat": "double", "lon": "double"}
"""... from ``raw/airports``."""

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "raw/flights": FLIGHTS,
    "raw/weather": OBSERVATIONS,
    "raw/planes": PLANES,
    "raw/airports": AIRPORTS,
}
"""All of it, by dataset."""


@dataclass(frozen=True)
class Sources:
    """Files of the raw tables, each readable where the engine runs.

    Attributes:
        flights: addresses of Parquet files, ``s3://...`` or paths.
        weather: the same.
        planes: the same.
        airports: the same.
    """

    flights: Sequence[str]
    weather: Sequence[str]
    planes: Sequence[str]
    airports: Sequence[str]


def arrow_schema(columns: Mapping[str, str]) -> pa.Schema:
    """Types by name as an Arrow schema."""
    import pyarrow as pa  # noqa: PLC0415  (definitions are loaded by processes that touch no table)

    types = {"int64": pa.int64(), "double": pa.float64(), "string": pa.string(), INSTANT: pa.timestamp("us", tz="UTC")}
    return pa.schema([pa.field(name, types[kind]) for name, kind in columns.items()])
