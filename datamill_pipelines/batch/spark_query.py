"""The features as one Spark SQL query; :mod:`~datamill_pipelines.batch.frames` says the same in pandas.

One query, because a data frame is analysed again at each step, which took longer than the work. Joins are by equality
only: windows are laid out beforehand (an observation at each full hour for which it is the latest, a flight at each
full hour for which it is recent), and all keys of a kind share one table, so each window is computed once. Sums are
over integers, so the order of rows cannot show.
"""

from __future__ import annotations

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

TABLES = ("flights", "weather", "planes", "airports")
"""The views that the query reads, with the columns of the raw datasets."""

_QUERY = """
with scheduled as (
  select carrier, origin, dest, tailnum, distance, flight, year, dep_delay, arr_delay, air_time,
    make_date(year, month, day) as date,
    unix_seconds(time_hour) div 60 + minute as scheduled,
    sched_dep_time div 100 * 60 + sched_dep_time % 100 as departure_minute,
    sched_arr_time div 100 * 60 + sched_arr_time % 100 as arrival_minute
  from flights
), known as (
  select carrier, origin, dest, tailnum, distance, year, scheduled, departure_minute, arrival_minute,
    cast(date as string) as flight_date,
    cast(unix_date(date) as bigint) as day,
    cast(weekday(date) + 1 as bigint) as day_of_week,
    concat_ws('-', date, concat(carrier, flight), origin, dest) as flight_id,
    timestamp_seconds(scheduled * 60) as scheduled_departure,
    timestamp_seconds((scheduled - {horizon}) * 60) as asked_at,
    departure_minute div 60 as departure_hour,
    (scheduled - {horizon}) div 60 * 60 as hour,
    scheduled + dep_delay as departed,
    arr_delay > {late_after} as late,
    case when arr_delay is not null then 'arrived' when dep_delay is not null then 'diverted' else 'cancelled' end
      as outcome,
    if(arr_delay is not null, ceil((scheduled + dep_delay + air_time + {ground} - {day_cut}) / 1440), null)
      as history_day
  from scheduled
  where unix_date(date) between {first_day} - {lookback} and {last_day}
), observed as (
  -- A message delivered twice must not become two observations of one hour.
  select origin, unix_seconds(time_hour) div 60 + {observation} as known_at, {weather}
  from weather group by origin, known_at
), latest as (
  select *, (hour - known_at) div 60 as weather_age from (
    select *, explode(sequence(known_at, least(following - 60L, known_at + {weather_valid}), 60L)) as hour from (
      select *, lead(known_at) over (partition by origin order by known_at) as following from observed
    )
  )
), events as (
  -- Each flight twice: on the day its arrival enters history, and on the day history is asked for.
  select explode(keys) as key, event from (
    select array({history_keys}) as keys, explode(array(
      struct(history_day as day, 1L as flights, if(late, 1L, 0L) as late, false as asked),
      struct(day as day, 0L as flights, 0L as late, day >= {first_day} as asked)
    )) as event
    from known
  )
), days as (
  select key, event.day as day, sum(event.flights) as flights, sum(event.late) as late, max(event.asked) as asked
  from events where event.day is not null
  group by key, event.day
), history as (
  select key, day, flights, if(flights > 0, late / flights, null) as late_rate from (
    select key, day, asked, sum(flights) over trailing as flights, sum(late) over trailing as late from days
    window trailing as (partition by key order by day range between {history_days} - 1 preceding and current row)
  ) where asked
), seen as (
  -- Each flight as it is seen at each full hour for which it is recent.
  select key, hour, if(departed <= hour, departed, hour) - scheduled as delay from (
    select scheduled, departed, hour, explode(keys) as key from (
      select scheduled, departed, array({recent_keys}) as keys, explode(array({recent_hours})) as hour from known
    )
  )
), recent as (
  select key, hour, count(*) as flights, count_if(delay > {late_after}) / count(*) as late_rate,
    sum(delay) / count(*) as delay
  from seen group by key, hour
)
select /*+ broadcast(planes, airports, latest, {windows}) */ {columns}
from (select * from known where day >= {first_day}) asked
left join planes on planes.tailnum = asked.tailnum
left join airports on airports.faa = asked.dest
left join latest on latest.origin = asked.origin and latest.hour = asked.hour
{joins}
"""


def feature_query(first_day: int, last_day: int) -> str:
    """The query for the flights scheduled on the local days ``first_day`` to ``last_day``.

    Args:
        first_day: days since 1970-01-01.
        last_day: days since 1970-01-01, included.

    Returns:
        SQL over the views :data:`TABLES`, with the columns of :data:`~datamill_pipelines.batch.schema.COLUMNS`.
    """
    return _QUERY.format(
        first_day=first_day,
        last_day=last_day,
        lookback=LOOKBACK_DAYS,
        horizon=HORIZON,
        late_after=LATE_AFTER,
        ground=GROUND,
        day_cut=DAY_CUT,
        observation=OBSERVATION,
        weather=", ".join(_observation(name) for name in WEATHER),
        weather_valid=WEATHER_VALID,
        history_days=HISTORY_DAYS,
        history_keys=", ".join(_key(name, keys) for name, keys in HISTORY_KEYS.items()),
        recent_keys=", ".join(_key(name, keys) for name, keys in RECENT_KEYS.items()),
        recent_hours=", ".join(f"(scheduled div 60 + {hours}) * 60" for hours in range(1, RECENT_HOURS + 1)),
        windows=", ".join([*HISTORY_KEYS, *RECENT_KEYS]),
        columns=", ".join(_column(column.name) for column in COLUMNS),
        joins="\n".join(
            [
                *(_join("history", "day", name, keys) for name, keys in HISTORY_KEYS.items()),
                *(_join("recent", "hour", name, keys) for name, keys in RECENT_KEYS.items()),
            ]
        ),
    )


def _observation(name: str) -> str:
    if name == "wind_speed":
        return f"max(if(wind_speed <= {FASTEST_WIND}, wind_speed, null)) as wind_speed"
    return f"max(cast({name} as double)) as {name}"


def _key(name: str, keys: tuple[str, ...], table: str = "") -> str:
    return f"concat_ws('|', '{name}', {', '.join(table + key for key in keys)})"


def _join(window: str, time: str, name: str, keys: tuple[str, ...]) -> str:
    return f"left join {window} {name} on {name}.key = {_key(name, keys, 'asked.')} and {name}.{time} = asked.{time}"


def _column(name: str) -> str:
    columns = {
        "aircraft_age": "asked.year - planes.year",
        "aircraft_seats": "planes.seats",
        "dest_lat": "airports.lat",
        "dest_lon": "airports.lon",
    }
    for history in HISTORY_KEYS:
        columns[f"{history}_flights"] = f"{history}.flights"
        columns[f"{history}_late_rate"] = f"{history}.late_rate"
    for recent in RECENT_KEYS:
        columns[f"{recent}_recent_flights"] = f"coalesce({recent}.flights, 0L)"
        columns[f"{recent}_recent_late_rate"] = f"{recent}.late_rate"
        columns[f"{recent}_recent_delay"] = f"{recent}.delay"
    if name in columns:
        return f"{columns[name]} as {name}"
    return f"latest.{name}" if name in (*WEATHER, "weather_age") else f"asked.{name}"
