"""The features of one or more airports of departure, with pandas: what a Dask worker runs on its share.

Every window is kept by a key that holds ``origin``, so a frame with all flights of some airports is complete.
:mod:`~datamill_pipelines.batch.spark_engine` says the same in Spark's words.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from datamill_pipelines.batch.knowledge import (
    DAY_CUT,
    FASTEST_WIND,
    GROUND,
    HISTORY_DAYS,
    HISTORY_KEYS,
    HORIZON,
    LATE_AFTER,
    OBSERVATION,
    RECENT_HOURS,
    RECENT_KEYS,
    WEATHER,
    WEATHER_VALID,
)
from datamill_pipelines.batch.schema import COLUMNS

DAY, HOUR = 24 * 60, 60


def flight_features(
    flights: pd.DataFrame,
    weather: pd.DataFrame,
    planes: pd.DataFrame,
    airports: pd.DataFrame,
    first_day: int,
    last_day: int,
) -> pd.DataFrame:
    """Features of the flights scheduled on the local days ``first_day`` to ``last_day``.

    Args:
        flights: columns of ``raw/flights``, all flights of the airports from ``LOOKBACK_DAYS`` before ``first_day``;
            others do no harm.
        weather: columns of ``raw/weather``.
        planes: columns of ``raw/planes``.
        airports: columns of ``raw/airports``.
        first_day: days since 1970-01-01.
        last_day: days since 1970-01-01, included.

    Returns:
        One row per flight with the columns of :data:`~datamill_pipelines.batch.schema.COLUMNS`; nulls as NaN or None.
    """
    known = _facts(flights)
    asked = known[(known["day"] >= first_day) & (known["day"] <= last_day)].copy()
    asked = _with_aircraft(asked, planes)
    asked = _with_destination(asked, airports)
    asked = _with_weather(asked, weather)
    for name, keys in HISTORY_KEYS.items():
        asked = _with_history(asked, known, name, list(keys))
    seen = _seen(known)
    for name, keys in RECENT_KEYS.items():
        asked = _with_recent(asked, seen, name, list(keys))
    return asked[[column.name for column in COLUMNS]]


def _minutes(instants: pd.Series) -> pd.Series:
    return pd.to_datetime(instants, utc=True).dt.as_unit("s").astype("int64") // 60


def _clock(hhmm: pd.Series) -> pd.Series:
    return hhmm // 100 * HOUR + hhmm % 100


def _facts(flights: pd.DataFrame) -> pd.DataFrame:
    """The schedule as numbers, what came of each flight, and when that became known."""
    table = pd.DataFrame({name: flights[name] for name in ("carrier", "origin", "dest", "tailnum")})
    table["distance"] = flights["distance"].astype("int64")
    dates = pd.to_datetime(flights[["year", "month", "day"]])
    table["flight_date"] = dates.dt.strftime("%Y-%m-%d")
    table["day"] = dates.dt.as_unit("s").astype("int64") // (DAY * 60)
    number = flights["carrier"] + flights["flight"].astype("int64").astype("str")
    table["flight_id"] = table["flight_date"] + "-" + number + "-" + flights["origin"] + "-" + flights["dest"]
    table["scheduled"] = _minutes(flights["time_hour"]) + flights["minute"].astype("int64")
    table["scheduled_departure"] = _instant(table["scheduled"])
    table["asked_at"] = _instant(table["scheduled"] - HORIZON)
    table["day_of_week"] = dates.dt.dayofweek + 1
    table["departure_minute"] = _clock(flights["sched_dep_time"].astype("int64"))
    table["departure_hour"] = table["departure_minute"] // HOUR
    table["arrival_minute"] = _clock(flights["sched_arr_time"].astype("int64"))
    left = flights["dep_delay"].astype("float64")
    arrived = flights["arr_delay"].astype("float64")
    table["departed"] = table["scheduled"] + left
    table["late"] = (arrived > LATE_AFTER).astype("object").where(arrived.notna(), None)
    table["outcome"] = np.where(arrived.notna(), "arrived", np.where(left.notna(), "diverted", "cancelled"))
    reported = table["departed"] + flights["air_time"].astype("float64") + GROUND
    table["history_day"] = np.where(arrived.notna(), np.ceil((reported - DAY_CUT) / DAY), np.nan)
    return table


def _instant(minutes: pd.Series) -> pd.Series:
    return pd.to_datetime(minutes * 60, unit="s", utc=True).dt.as_unit("us")


def _with_aircraft(asked: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    aircraft = planes[["tailnum"]].assign(
        built=planes["year"].astype("float64"), aircraft_seats=planes["seats"].astype("float64")
    )
    joined = asked.merge(aircraft, on="tailnum", how="left")
    joined["aircraft_age"] = joined["flight_date"].str[:4].astype("int64") - joined["built"]
    return joined


def _with_destination(asked: pd.DataFrame, airports: pd.DataFrame) -> pd.DataFrame:
    places = airports[["faa", "lat", "lon"]].rename(columns={"faa": "dest", "lat": "dest_lat", "lon": "dest_lon"})
    return asked.merge(places, on="dest", how="left")


def _with_weather(asked: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """The latest observation whose hour was over when the question was asked, unless it is too old."""
    observed = weather[["origin", *WEATHER]].astype(dict.fromkeys(WEATHER, "float64"))
    observed["known_at"] = _minutes(weather["time_hour"]) + OBSERVATION
    observed["wind_speed"] = observed["wind_speed"].where(observed["wind_speed"] <= FASTEST_WIND)
    # A message delivered twice must not become two observations of one hour.
    observed = observed.groupby(["origin", "known_at"], as_index=False).max()
    observed["hour"] = observed["known_at"]
    asked["hour"] = (asked["scheduled"] - HORIZON) // HOUR * HOUR
    joined = pd.merge_asof(
        asked.sort_values("hour", kind="stable"),
        observed.sort_values("hour", kind="stable"),
        on="hour",
        by="origin",
        tolerance=WEATHER_VALID,
    )
    joined["weather_age"] = (joined["hour"] - joined["known_at"]) // HOUR
    return joined


def _with_history(asked: pd.DataFrame, known: pd.DataFrame, name: str, keys: list[str]) -> pd.DataFrame:
    """Flights and late flights by key, over the service days of the window that ends with the flight's own day."""
    arrivals = known[known["history_day"].notna()]
    daily = arrivals.assign(day=arrivals["history_day"].astype("int64"), late=arrivals["late"].astype("int64"))
    totals = daily.groupby([*keys, "day"])["late"].agg(flights="size", late="sum").reset_index().sort_values("day")
    totals[["flights", "late"]] = totals.groupby(keys)[["flights", "late"]].cumsum()
    queries = asked[[*keys, "day"]].drop_duplicates().sort_values("day")
    until = pd.merge_asof(queries, totals, on="day", by=keys).fillna({"flights": 0, "late": 0})
    before = pd.merge_asof(queries.assign(day=queries["day"] - HISTORY_DAYS), totals, on="day", by=keys).fillna(
        {"flights": 0, "late": 0}
    )
    flights = until["flights"].astype("int64") - before["flights"].astype("int64")
    late = until["late"].astype("int64") - before["late"].astype("int64")
    until = until[[*keys, "day"]].assign(
        **{f"{name}_flights": flights, f"{name}_late_rate": (late / flights).where(flights > 0)}
    )
    return asked.merge(until, on=[*keys, "day"], how="left")


def _seen(known: pd.DataFrame) -> pd.DataFrame:
    """Each flight as it is seen at each full hour for which it is recent."""
    views = []
    for hours in range(1, RECENT_HOURS + 1):
        hour = (known["scheduled"] // HOUR + hours) * HOUR
        gone = known["departed"] <= hour
        delay = (known["departed"].where(gone, hour) - known["scheduled"]).astype("int64")
        views.append(
            known[["origin", "carrier"]].assign(hour=hour, delay=delay, late=(delay > LATE_AFTER).astype("int64"))
        )
    return pd.concat(views, ignore_index=True)


def _with_recent(asked: pd.DataFrame, seen: pd.DataFrame, name: str, keys: list[str]) -> pd.DataFrame:
    grouped = seen.groupby([*keys, "hour"])
    sums = grouped.agg(flights=("delay", "size"), delay=("delay", "sum"), late=("late", "sum")).reset_index()
    sums[f"{name}_recent_late_rate"] = sums["late"] / sums["flights"]
    sums[f"{name}_recent_delay"] = sums["delay"] / sums["flights"]
    sums = sums.rename(columns={"flights": f"{name}_recent_flights"}).drop(columns=["late", "delay"])
    joined = asked.merge(sums, on=[*keys, "hour"], how="left")
    joined[f"{name}_recent_flights"] = joined[f"{name}_recent_flights"].fillna(0).astype("int64")
    return joined
