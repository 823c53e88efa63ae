"""Nothing that becomes known after the question can reach a feature.

The tests decide by themselves, from the raw data and real clocks, what was known when; they share no code with the
engines. Each changes everything that was *not* known at some instant, in every way there is, and compares the features
of the flights that had been asked about by then.
"""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pipelines.batch.raw_tables import Raw, raw_tables

from datamill_pipelines.batch.schema import COLUMNS

NEW_YORK = ZoneInfo("America/New_York")
MONTH = "2013-03"
# Daylight saving began on 10 March at 02:00.
RAW = raw_tables([MONTH], (6, 12), "LGA")
LABELS = [column.name for column in COLUMNS if column.role == "label"]
BASELINE = RAW.features(MONTH)
TWO_HOURS = pd.Timedelta(hours=2)
ZONES = RAW.airports.set_index("faa")["tzone"]


def scheduled(flights: pd.DataFrame) -> pd.Series:
    """Scheduled departure as an instant, from the local columns."""
    local = pd.to_datetime(flights[["year", "month", "day"]]) + pd.to_timedelta(
        flights["sched_dep_time"] // 100 * 60 + flights["sched_dep_time"] % 100, unit="min"
    )
    return local.dt.tz_localize(NEW_YORK).dt.tz_convert("UTC")


def departed(flights: pd.DataFrame) -> pd.Series:
    """Actual departure as an instant; null when there was none."""
    return scheduled(flights) + pd.to_timedelta(flights["dep_delay"], unit="min")


def arrived(flights: pd.DataFrame) -> pd.Series:
    """Actual arrival: when clocks at the destination showed ``arr_time`` for the first time after departure."""
    left = departed(flights)
    zones = flights["dest"].map(ZONES).fillna("America/Puerto_Rico")
    clock = flights["arr_time"] // 100 * 60 + flights["arr_time"] % 100
    instants = pd.Series(pd.NaT, index=flights.index, dtype=left.dtype)
    for zone, rows in zones.groupby(zones).groups.items():
        local = left[rows].dt.tz_convert(zone)
        minutes = (clock[rows] - local.dt.hour * 60 - local.dt.minute) % (24 * 60)
        instants[rows] = left[rows] + pd.to_timedelta(minutes, unit="min")
    return instants


SCHEDULED, DEPARTED, ARRIVED = scheduled(RAW.flights), departed(RAW.flights), arrived(RAW.flights)


def without_the_future(raw: Raw, now: pd.Timestamp, seed: int) -> Raw:
    """Everything that was not known at ``now``, replaced by something else that could have happened."""
    rng = np.random.default_rng(seed)
    flights = raw.flights.copy()
    rows = len(flights)
    happens = rng.random(rows) < 0.7
    # Those that have not left: cancelled, or leaving at any time from now on, though not before their schedule allows.
    staying = (~(now >= DEPARTED)).to_numpy()
    waited = np.floor((now - SCHEDULED).dt.total_seconds() / 60).to_numpy() + 1
    delay = np.where(waited > 0, waited, 0) + rng.integers(0, 400, rows)
    flights["dep_delay"] = np.where(staying, np.where(happens, delay, np.nan), flights["dep_delay"])
    # Those that have not arrived: diverted, or arriving at any time from now on, late or not.
    flying = (~(now >= ARRIVED)).to_numpy()
    gone = np.floor((now - DEPARTED).dt.total_seconds() / 60).to_numpy() + 1
    air_time = np.where(gone > 0, gone, 30) + rng.integers(0, 300, rows)
    lands = happens & (rng.random(rows) < 0.9)
    flights["air_time"] = np.where(flying, np.where(lands, air_time, np.nan), flights["air_time"])
    flights["arr_delay"] = np.where(flying, np.where(lands, rng.integers(-60, 400, rows), np.nan), flights["arr_delay"])
    weather = raw.weather.copy()
    # An observation of an hour may be of its last minute.
    unobserved = weather["time_hour"] + pd.Timedelta(hours=1) > now
    numbers = weather.columns[weather.dtypes == "float64"]
    weather.loc[unobserved, numbers] = weather.loc[unobserved, numbers] * 0.5 + rng.random()
    return replace(raw, flights=flights, weather=weather[~unobserved | (rng.random(len(weather)) < 0.7)])


@settings(max_examples=8)
@given(hours=st.integers(min_value=24, max_value=24 * 6), minutes=st.integers(0, 59), seed=st.integers(0, 2**32))
def test_features_do_not_change_with_what_was_unknown_two_hours_before_departure(
    hours: int, minutes: int, seed: int
) -> None:
    now = pd.Timestamp("2013-03-06 05:00", tz="UTC") + pd.Timedelta(hours=hours, minutes=minutes)
    changed = without_the_future(RAW, now, seed).features(MONTH)
    asked = BASELINE.index[BASELINE["asked_at"] <= now]
    assert len(asked) > 100
    features = BASELINE.columns.difference(LABELS)
    pd.testing.assert_frame_equal(BASELINE.loc[asked, features], changed.loc[asked, features])


def test_the_future_does_change_the_features_of_flights_asked_about_later() -> None:
    """Else the property above would hold of features that are constant."""
    now = pd.Timestamp("2013-03-09 18:00", tz="UTC")
    changed = without_the_future(RAW, now, 1).features(MONTH)
    later = BASELINE.index[BASELINE["asked_at"] > now + TWO_HOURS]
    for name in ("temp", "carrier_late_rate", "route_flights", "airport_recent_delay", "airline_recent_late_rate"):
        differing = BASELINE.loc[later, name].fillna(-1) != changed.loc[later, name].fillna(-1)
        assert differing.mean() > 0.2, name


def test_a_flights_own_outcome_is_in_none_of_its_features() -> None:
    middle = len(RAW.flights) // 2
    flights = RAW.flights.copy()
    flights.loc[flights.index[middle], ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]] = np.nan
    changed = RAW.with_flights(flights).features(MONTH)
    flight = flights.iloc[middle]
    number = f"{flight.carrier}{flight.flight}"
    row = f"2013-03-{flight.day:02d}-{number}-{flight.origin}-{flight.dest}"
    features = BASELINE.columns.difference(LABELS)
    pd.testing.assert_series_equal(BASELINE.loc[row, features], changed.loc[row, features])


def test_an_arrival_is_never_counted_before_it_happened() -> None:
    """The bound on ground time, against arrivals computed from the destinations' clocks."""
    known = DEPARTED + pd.to_timedelta(RAW.flights["air_time"] + 240, unit="min")
    assert (known >= ARRIVED)[ARRIVED.notna() & RAW.flights["arr_delay"].notna()].all()


def test_schedules_across_the_change_to_daylight_saving_are_the_same_instants_as_local_clocks_say() -> None:
    asked = BASELINE.sort_values("scheduled_departure")["scheduled_departure"]
    assert sorted(SCHEDULED) == list(asked)
    assert {True, False} == {bool(instant.dst()) for instant in SCHEDULED.dt.tz_convert(NEW_YORK)}
