"""The raw tables of a few real days, as the sinks land them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from datamill_pipelines.batch.frames import flight_features
from datamill_pipelines.batch.knowledge import month_days
from datamill_pipelines.ingestion import nycflights

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class Raw:
    """Four raw tables."""

    flights: pd.DataFrame
    weather: pd.DataFrame
    planes: pd.DataFrame
    airports: pd.DataFrame

    def features(self, month: str) -> pd.DataFrame:
        """The month's features, by flight."""
        built = flight_features(self.flights, self.weather, self.planes, self.airports, *month_days(month))
        return built.set_index("flight_id").sort_index()

    def with_flights(self, flights: pd.DataFrame) -> Raw:
        """With other flights."""
        return replace(self, flights=flights)


def arrow_tables(months: list[str], days: tuple[int, int] = (1, 31), origin: str | None = None) -> dict[str, pa.Table]:
    """Tables by raw dataset: days ``days[0]`` to ``days[1]`` of each month, all airports of departure or one."""
    within = pl.col("day").is_between(*days)
    if origin:
        within &= pl.col("origin") == origin
    instant = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")
    events = {"raw/flights": nycflights.flights(months), "raw/weather": nycflights.weather(months)}
    tables = {name: table.filter(within).with_columns(instant).drop("row") for name, table in events.items()}
    tables |= {"raw/planes": nycflights.planes(), "raw/airports": nycflights.airports()}
    return {name: table.to_arrow() for name, table in tables.items()}


def raw_tables(months: list[str], days: tuple[int, int] = (1, 31), origin: str | None = None) -> Raw:
    """The same, for pandas."""
    tables = {
        name.removeprefix("raw/"): table.to_pandas() for name, table in arrow_tables(months, days, origin).items()
    }
    return Raw(**tables)
