"""What the features say, on flights made up for the purpose and on real ones."""

from __future__ import annotations

import pandas as pd
from pipelines.batch.raw_tables import Raw, raw_tables

JANUARY = raw_tables(["2013-01"], (1, 4))


def flight(hour: int, minute: int, number: int, **facts: object) -> dict[str, object]:
    """A flight from JFK to BOS on 15 January; on time unless said otherwise."""
    local = hour * 100 + minute
    plain = {
        "year": 2013,
        "month": 1,
        "day": 15,
        "sched_dep_time": local,
        "sched_arr_time": local,
        "minute": minute,
        "flight": number,
        "distance": 187,
        "dep_delay": 0,
        "arr_delay": 0,
        "air_time": 40,
        "carrier": "B6",
        "tailnum": "N1",
        "origin": "JFK",
        "dest": "BOS",
        "time_hour": pd.Timestamp(f"2013-01-15 {hour:02d}:00", tz="America/New_York").tz_convert("UTC"),
    }
    return {**plain, **facts}


def features(*flights: dict[str, object]) -> pd.DataFrame:
    """Features by flight number."""
    table = pd.DataFrame(flights).astype(dict.fromkeys(("dep_delay", "arr_delay", "air_time"), "float64"))
    built = Raw(table, JANUARY.weather, JANUARY.planes, JANUARY.airports).features("2013-01")
    return built.set_index(built.index.str.split("-").str[3].str.removeprefix("B6").astype(int))


def test_late_is_more_than_fifteen_minutes_after_schedule() -> None:
    late = features(flight(9, 0, 1, arr_delay=15), flight(9, 0, 2, arr_delay=16))["late"]
    assert late.tolist() == [False, True]


def test_cancelled_and_diverted_flights_are_kept_without_a_label() -> None:
    built = features(
        flight(9, 0, 1, dep_delay=None, arr_delay=None, air_time=None),
        flight(9, 0, 2, arr_delay=None, air_time=None),
    )
    assert built["outcome"].tolist() == ["cancelled", "diverted"]
    assert built["late"].isna().all()


def test_a_flight_that_has_not_left_yet_counts_as_late_as_it_is() -> None:
    # Asked at 11:10, seen at 11:00: one left 20 minutes late, one waits since 10:00, one waits since 10:50.
    built = features(
        flight(9, 30, 1, dep_delay=20),
        flight(10, 0, 2, dep_delay=300),
        flight(10, 50, 3, dep_delay=None, arr_delay=None, air_time=None),
        flight(13, 10, 4),
    )
    row = built.loc[4]
    assert row["airport_recent_flights"] == 3
    assert row["airport_recent_delay"] == (20 + 60 + 10) / 3
    assert row["airport_recent_late_rate"] == 2 / 3


def test_an_arrival_enters_history_the_day_after() -> None:
    built = features(
        flight(8, 0, 1, day=14, arr_delay=60, time_hour=pd.Timestamp("2013-01-14 13:00", tz="UTC")),
        flight(20, 0, 2, day=14, time_hour=pd.Timestamp("2013-01-15 01:00", tz="UTC")),
        flight(9, 0, 3),
    )
    assert built.loc[[1, 2], "carrier_flights"].tolist() == [0, 0]
    # The evening flight landed after history closed for the 15th.
    assert built.loc[3, "carrier_flights"] == 1
    assert built.loc[3, "carrier_late_rate"] == 1.0


def test_months_built_together_and_apart_are_equal() -> None:
    enough = raw_tables(["2013-01", "2013-02"], origin="LGA")
    more = raw_tables(["2013-01", "2013-02", "2013-03"], origin="LGA")
    pd.testing.assert_frame_equal(enough.features("2013-02"), more.features("2013-02"))


def test_the_order_of_raw_rows_does_not_show() -> None:
    shuffled = Raw(
        JANUARY.flights.sample(frac=1, random_state=3),
        JANUARY.weather.sample(frac=1, random_state=4),
        JANUARY.planes.sample(frac=1, random_state=5),
        JANUARY.airports.sample(frac=1, random_state=6),
    )
    pd.testing.assert_frame_equal(JANUARY.features("2013-01"), shuffled.features("2013-01"))


def test_a_weather_message_delivered_twice_changes_nothing() -> None:
    twice = Raw(JANUARY.flights, pd.concat([JANUARY.weather, JANUARY.weather[:500]]), JANUARY.planes, JANUARY.airports)
    pd.testing.assert_frame_equal(JANUARY.features("2013-01"), twice.features("2013-01"))
