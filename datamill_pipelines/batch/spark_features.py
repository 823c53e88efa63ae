"""The features as Spark says them; :mod:`~datamill_pipelines.batch.frames` says the same in pandas.

Joins are by equality only: windows are laid out beforehand (an observation at each full hour for which it is the latest,
a flight at each full hour for which it is recent). Sums are over integers, so the order of rows cannot show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as f

from datamill_pipelines.batch.knowledge import (
    DAY_CUT,
    FASTEST_WIND,
    GROUND,
    HISTORY_DAYS,
    HISTORY_KEYS,
    HORIZON,
    LATE_AFTER,
    LOOKBACK_DAYS,
    OBSERVATION,
    RECENT_HOURS,
    RECENT_KEYS,
    WEATHER,
    WEATHER_VALID,
)
from datamill_pipelines.batch.schema import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame

DAY, HOUR = 24 * 60, 60


def flight_features(
    flights: DataFrame, weather: DataFrame, planes: DataFrame, airports: DataFrame, first_day: int, last_day: int
) -> DataFrame:
    """As :func:`datamill_pipelines.batch.frames.flight_features`, on Spark's frames."""
    known = _facts(flights).where(f.col("day") >= first_day - LOOKBACK_DAYS).cache()
    asked = known.where(f.col("day").between(first_day, last_day))
    asked = _with_aircraft(asked, planes)
    asked = _with_destination(asked, airports)
    asked = _with_weather(asked, weather)
    for name, keys in HISTORY_KEYS.items():
        asked = _with_history(asked, known, name, keys)
    seen = _seen(known)
    for name, keys in RECENT_KEYS.items():
        asked = _with_recent(asked, seen, name, keys)
    return asked.select(*[column.name for column in COLUMNS])


def _hhmm(name: str) -> Column:
    return (f.floor(f.col(name) / 100) * HOUR + f.col(name) % 100).cast("long")


def _minutes(name: str) -> Column:
    return f.floor(f.unix_seconds(name) / 60).cast("long")


def _instant(minutes: Column) -> Column:
    return f.timestamp_seconds(minutes * 60)


def _facts(flights: DataFrame) -> DataFrame:
    """The schedule as numbers, what came of each flight, and when that became known."""
    date = f.make_date(f.col("year").cast("int"), f.col("month").cast("int"), f.col("day").cast("int"))
    scheduled = flights.select(
        "carrier",
        "origin",
        "dest",
        "tailnum",
        "distance",
        date.cast("string").alias("flight_date"),
        f.unix_date(date).cast("long").alias("day"),
        f.weekday(date).cast("long").alias("weekday"),
        "flight",
        (_minutes("time_hour") + f.col("minute")).alias("scheduled"),
        _hhmm("sched_dep_time").alias("departure_minute"),
        _hhmm("sched_arr_time").alias("arrival_minute"),
        "dep_delay",
        "arr_delay",
        "air_time",
    )
    number = f.concat(f.col("carrier"), f.col("flight").cast("string"))
    reported = f.col("scheduled") + f.col("dep_delay") + f.col("air_time") + GROUND
    arrived, left = f.col("arr_delay").isNotNull(), f.col("dep_delay").isNotNull()
    return scheduled.select(
        *("carrier", "origin", "dest", "tailnum", "distance", "flight_date", "day", "scheduled"),
        *("departure_minute", "arrival_minute"),
        f.concat_ws("-", "flight_date", number, "origin", "dest").alias("flight_id"),
        _instant(f.col("scheduled")).alias("scheduled_departure"),
        _instant(f.col("scheduled") - HORIZON).alias("asked_at"),
        (f.col("weekday") + 1).alias("day_of_week"),
        f.floor(f.col("departure_minute") / HOUR).cast("long").alias("departure_hour"),
        (f.floor((f.col("scheduled") - HORIZON) / HOUR) * HOUR).cast("long").alias("hour"),
        (f.col("scheduled") + f.col("dep_delay")).alias("departed"),
        (f.col("arr_delay") > LATE_AFTER).alias("late"),
        f.when(arrived, "arrived").when(left, "diverted").otherwise("cancelled").alias("outcome"),
        f.when(arrived, f.ceil((reported - DAY_CUT) / DAY).cast("long")).alias("history_day"),
    )


def _with_aircraft(asked: DataFrame, planes: DataFrame) -> DataFrame:
    aircraft = planes.select("tailnum", f.col("year").alias("built"), f.col("seats").alias("aircraft_seats"))
    joined = asked.join(f.broadcast(aircraft), "tailnum", "left")
    flown = f.substring("flight_date", 1, 4).cast("long")
    return joined.withColumn("aircraft_age", flown - f.col("built"))


def _with_destination(asked: DataFrame, airports: DataFrame) -> DataFrame:
    places = airports.select(f.col("faa").alias("dest"), f.col("lat").alias("dest_lat"), f.col("lon").alias("dest_lon"))
    return asked.join(f.broadcast(places), "dest", "left")


def _with_weather(asked: DataFrame, weather: DataFrame) -> DataFrame:
    """Each observation at the full hours for which it is the latest known one, and not too old."""
    wind = f.when(f.col("wind_speed") <= FASTEST_WIND, f.col("wind_speed"))
    observed = weather.select(
        "origin",
        *(f.col(name).cast("double").alias(name) for name in WEATHER if name != "wind_speed"),
        wind.alias("wind_speed"),
        (_minutes("time_hour") + OBSERVATION).alias("known_at"),
    )
    # A message delivered twice must not become two observations of one hour.
    observed = observed.groupBy("origin", "known_at").agg(*(f.max(name).alias(name) for name in WEATHER))
    following = f.lead("known_at").over(Window.partitionBy("origin").orderBy("known_at"))
    observed = observed.withColumn("following", following)
    until = f.least(f.col("following") - HOUR, f.col("known_at") + WEATHER_VALID)
    hours = f.sequence(f.col("known_at"), until, f.lit(HOUR).cast("long"))
    latest = observed.select("*", f.explode(hours).alias("hour"))
    latest = latest.withColumn("weather_age", f.floor((f.col("hour") - f.col("known_at")) / HOUR).cast("long"))
    return asked.join(f.broadcast(latest), ["origin", "hour"], "left")


def _with_history(asked: DataFrame, known: DataFrame, name: str, keys: Sequence[str]) -> DataFrame:
    """Flights and late flights by key, over the service days of the window that ends with the flight's own day."""
    days = known.where(f.col("history_day").isNotNull()).groupBy(*keys, f.col("history_day").alias("day"))
    totals = days.agg(f.count("*").alias("flights"), f.sum(f.col("late").cast("long")).alias("late"))
    queries = asked.select(*keys, "day").distinct()
    nothing = f.lit(0).cast("long")
    both = totals.withColumn("asked", f.lit(False)).unionByName(
        queries.select(*keys, "day", nothing.alias("flights"), nothing.alias("late"), f.lit(True).alias("asked"))
    )
    window = Window.partitionBy(*keys).orderBy("day").rangeBetween(1 - HISTORY_DAYS, Window.currentRow)
    flights, late = f.sum("flights").over(window), f.sum("late").over(window)
    sums = both.select(*keys, "day", "asked", flights.alias("flights"), late.alias("late")).where("asked")
    rate = f.when(f.col("flights") > 0, f.col("late") / f.col("flights"))
    history = sums.select(*keys, "day", f.col("flights").alias(f"{name}_flights"), rate.alias(f"{name}_late_rate"))
    return asked.join(f.broadcast(history), [*keys, "day"], "left")


def _seen(known: DataFrame) -> DataFrame:
    """Each flight as it is seen at each full hour for which it is recent."""
    first = f.floor(f.col("scheduled") / HOUR)
    hours = f.array(*((first + hours) * HOUR for hours in range(1, RECENT_HOURS + 1)))
    views = known.select("origin", "carrier", "scheduled", "departed", f.explode(hours).alias("hour"))
    gone = f.coalesce(f.col("departed") <= f.col("hour"), f.lit(False))
    delay = f.when(gone, f.col("departed")).otherwise(f.col("hour")) - f.col("scheduled")
    return views.select("origin", "carrier", f.col("hour").cast("long").alias("hour"), delay.alias("delay"))


def _with_recent(asked: DataFrame, seen: DataFrame, name: str, keys: Sequence[str]) -> DataFrame:
    late = f.sum((f.col("delay") > LATE_AFTER).cast("long"))
    sums = seen.groupBy(*keys, "hour").agg(
        f.count("*").alias(f"{name}_recent_flights"),
        (late / f.count("*")).alias(f"{name}_recent_late_rate"),
        (f.sum("delay") / f.count("*")).alias(f"{name}_recent_delay"),
    )
    joined = asked.join(f.broadcast(sums), [*keys, "hour"], "left")
    return joined.fillna(0, subset=[f"{name}_recent_flights"])
