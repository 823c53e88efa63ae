"""The parts of a replay that need no broker: rows, pace, source data, messages."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamill_infra.model.errors import ConfigurationError
from datamill_pipelines.ingestion import nycflights
from datamill_pipelines.ingestion.contents import AIRPORTS, FLIGHTS, PLANES, WEATHER
from datamill_pipelines.ingestion.flight_replay import _events
from datamill_pipelines.ingestion.pacing import Pace
from datamill_pipelines.ingestion.rows import Rows
from datamill_pipelines.ingestion.weather_publisher import observations
from datamill_pipelines.stream.codec import decode

pairs = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8)


@given(pairs, pairs)
def test_rows_are_a_set_of_numbers(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    def numbers(intervals: list[tuple[int, int]]) -> set[int]:
        return {number for first, end in intervals for number in range(first, end)}

    union = Rows.of(one) | Rows.of(other)

    assert numbers(one) | numbers(other) == {number for number in range(61) if number in union}
    assert len(numbers(one) | numbers(other)) == len(union)
    assert union == Rows.parse(str(union))


def test_text_that_is_no_set_of_rows_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not a list of row intervals"):
        Rows.parse("0-5,x")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_paced_replay_sends_each_event_when_it_is_due() -> None:
    clock = Clock()
    pace = Pace(speed=60.0, clock=clock, sleep=clock.sleep)
    sent = [(clock.now, list(part)) for part in pace.slices([0, 30_000, 20_000, 60_000, 240_000])]

    assert [0, 1, 2, 3, 4] == [index for _, part in sent for index in part]
    assert (0.0, [0]) == sent[0]
    assert (0.5, [1, 2]) == sent[1]
    assert (1.0, [3]) == sent[2]
    assert 4.0 == sent[3][0]


def test_speed_zero_is_as_fast_as_possible() -> None:
    clock = Clock()

    parts = list(Pace(most=4, clock=clock, sleep=clock.sleep).slices([9_000_000, 0, 5, 10**9, 1, 2]))

    assert [range(4), range(4, 6)] == parts
    assert 0.0 == clock.now


def test_two_months_have_the_flights_they_have() -> None:
    assert 51_955 == nycflights.flights(["2013-01", "2013-02"]).height
    assert 336_776 == nycflights.flights(nycflights.MONTHS).height
    assert 26_115 == nycflights.weather(nycflights.MONTHS).height


def test_rows_keep_the_number_they_have_in_the_file() -> None:
    rows = nycflights.flights(["2013-02", "2013-01"])["row"].to_list()

    assert [*range(111_296, 136_247), *range(27_004)] == rows


@pytest.mark.parametrize("month", ["2012-12", "2013-13", "2013-1", "january"])
def test_a_month_that_is_not_there_is_refused(month: str) -> None:
    with pytest.raises(ConfigurationError, match="There are no flights of"):
        nycflights.flights([month])


def test_every_flight_becomes_a_good_message_of_its_key_and_time() -> None:
    rows = nycflights.flights(["2013-01"])
    events = _events(rows, 4)
    decoded = decode(events.values, FLIGHTS)

    assert () == decoded.dead
    assert {} == decoded.schema.accepted
    assert rows.drop("row", "time_hour").rows() == [
        tuple(row.values()) for row in decoded.table.drop_columns(["time_hour"]).to_pylist()
    ]
    assert "UA1545" == events.keys[0]
    # 5:15 in New York in January.
    assert 1_357_035_300_000 == events.timestamps[0]


def test_a_flight_number_stays_in_one_partition_and_all_partitions_are_used() -> None:
    events = _events(nycflights.flights(["2013-01"]), 4)
    homes: dict[str, set[int]] = {}
    for key, partition in zip(events.keys, events.partitions, strict=True):
        homes.setdefault(key, set()).add(partition)

    assert {1} == {len(partitions) for partitions in homes.values()}
    assert {0, 1, 2, 3} == set(events.partitions)


def test_every_observation_has_an_id_of_its_own_that_never_changes() -> None:
    first, again = observations(["2013-01"]), observations(["2013-01"])

    assert first == again
    assert len(first) == len({message.message_id for message in first})
    assert () == decode([message.payload for message in first], WEATHER).dead
    assert {"EWR", "JFK", "LGA"} == {message.station for message in first}
    assert sorted(message.instant for message in first) == [message.instant for message in first]
    assert "EWR" == json.loads(first[0].payload)["origin"]


def test_reference_tables_hold_what_is_declared() -> None:
    assert [column.name for column in PLANES] == nycflights.planes().columns
    assert [column.name for column in AIRPORTS] == nycflights.airports().columns
    assert 3_322 == nycflights.planes()["tailnum"].n_unique()
    assert 1_458 == nycflights.airports()["faa"].n_unique()
