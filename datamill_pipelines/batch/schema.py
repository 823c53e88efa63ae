"""The columns of ``features/flight_delay``: type, meaning, range.

One table per month, one row per scheduled flight, cancelled and diverted ones included (their label is null).
This module knows the table; where its values come from is in :mod:`~datamill_pipelines.batch.knowledge`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from datamill_pipelines.batch.knowledge import HISTORY_DAYS, HISTORY_KEYS, RECENT_HOURS, RECENT_KEYS

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["string", "int64", "double", "bool", "timestamp[us, tz=UTC]"]
Role = Literal["identity", "category", "number", "label"]

REPO = "features/flight_delay"
"""The dataset."""

OUTCOMES = ("arrived", "cancelled", "diverted")
"""What became of a flight: it reached its destination, never left, or left and never reached it."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: its name.
        kind: its Arrow type, as text.
        role: ``category`` and ``number`` are features; ``identity`` names the row; ``label`` is what came to be.
        description: what it holds, with its unit.
        low: smallest valid value, if there is one.
        high: largest valid value, if there is one.
        nullable: whether it may be null.
    """

    name: str
    kind: Kind
    role: Role
    description: str
    low: float | None = None
    high: float | None = None
    nullable: bool = False


def _history(name: str, keys: tuple[str, ...]) -> list[Column]:
    what = f"of the same {', '.join(key.replace('departure_hour', 'hour of departure') for key in keys)}"
    known = f"known arrivals {what} in the last {HISTORY_DAYS} days"
    return [
        Column(f"{name}_flights", "int64", "number", f"Number of {known}", 0),
        Column(f"{name}_late_rate", "double", "number", f"Share of late ones among {known}", 0, 1, nullable=True),
    ]


def _recent(name: str, keys: tuple[str, ...]) -> list[Column]:
    seen = f"flights of the same {', '.join(keys)} scheduled in the {RECENT_HOURS} full hours before the question"
    return [
        Column(f"{name}_recent_flights", "int64", "number", f"Number of {seen}", 0),
        Column(f"{name}_recent_late_rate", "double", "number", "Share of them seen to be late", 0, 1, nullable=True),
        Column(f"{name}_recent_delay", "double", "number", "Their mean delay so far, minutes", -180, nullable=True),
    ]


COLUMNS: tuple[Column, ...] = (
    Column("flight_id", "string", "identity", "Date, carrier and number, origin and destination; unique"),
    Column("scheduled_departure", "timestamp[us, tz=UTC]", "identity", "Scheduled departure"),
    Column("asked_at", "timestamp[us, tz=UTC]", "identity", "When the question is asked: two hours before"),
    Column("flight_date", "string", "identity", "Local date of the schedule, ISO"),
    Column("carrier", "string", "category", "Airline, IATA code"),
    Column("origin", "string", "category", "Airport of departure, FAA code"),
    Column("dest", "string", "category", "Airport of destination, FAA code"),
    Column("day_of_week", "int64", "number", "Local day of the week, Monday is 1", 1, 7),
    Column("departure_minute", "int64", "number", "Scheduled departure, local minute of the day", 0, 1439),
    Column("arrival_minute", "int64", "number", "Scheduled arrival, minute of the day at the destination", 0, 1439),
    Column("distance", "int64", "number", "Miles between the airports", 1, 10_000),
    Column("dest_lat", "double", "number", "Latitude of the destination, degrees", -90, 90, nullable=True),
    Column("dest_lon", "double", "number", "Longitude of the destination, degrees", -180, 180, nullable=True),
    Column("aircraft_age", "int64", "number", "Years since the aircraft was built", 0, 80, nullable=True),
    Column("aircraft_seats", "int64", "number", "Seats of the aircraft", 1, 1000, nullable=True),
    Column("temp", "double", "number", "Temperature, Fahrenheit", -40, 130, nullable=True),
    Column("dewp", "double", "number", "Dew point, Fahrenheit", -60, 130, nullable=True),
    Column("humid", "double", "number", "Relative humidity, percent", 0, 100, nullable=True),
    Column("wind_dir", "double", "number", "Wind direction, degrees", 0, 360, nullable=True),
    Column("wind_speed", "double", "number", "Wind speed, miles per hour", 0, 200, nullable=True),
    Column("wind_gust", "double", "number", "Gust speed, miles per hour", 0, 250, nullable=True),
    Column("precip", "double", "number", "Precipitation, inches", 0, 20, nullable=True),
    Column("pressure", "double", "number", "Sea level pressure, millibars", 900, 1100, nullable=True),
    Column("visib", "double", "number", "Visibility, miles", 0, 20, nullable=True),
    Column("weather_age", "int64", "number", "Full hours since the observation was known", 0, 6, True),
    *(column for name, keys in HISTORY_KEYS.items() for column in _history(name, keys)),
    *(column for name, keys in RECENT_KEYS.items() for column in _recent(name, keys)),
    Column("outcome", "string", "label", "arrived, cancelled (never left) or diverted (left, no arrival there)"),
    Column("late", "bool", "label", "Arrived more than 15 minutes late; null when it did not arrive", nullable=True),
)
"""All columns, in the order of the table."""

FEATURES: tuple[Column, ...] = tuple(column for column in COLUMNS if column.role in ("category", "number"))
"""What a model may see."""

SORT_BY = ("scheduled_departure", "flight_id")
"""The order of rows: total, since ``flight_id`` is unique."""


def arrow_schema() -> pa.Schema:
    """The Arrow schema of the table."""
    import pyarrow as pa  # noqa: PLC0415  (definitions are loaded by processes that touch no table)

    types = {
        "string": pa.string(),
        "int64": pa.int64(),
        "double": pa.float64(),
        "bool": pa.bool_(),
        "timestamp[us, tz=UTC]": pa.timestamp("us", tz="UTC"),
    }
    return pa.schema([pa.field(column.name, types[column.kind]) for column in COLUMNS])


def file_of(month: str) -> str:
    """Where a month's table is in the dataset."""
    return f"{month}/part-0.parquet"
