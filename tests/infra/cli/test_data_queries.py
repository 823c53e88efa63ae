"""sql and the diff of rows on the command line."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from datamill_pipelines.datasets import open_store

if TYPE_CHECKING:
    from infra.cli.data_verbs import Verbs


@pytest.fixture
def flights(verb: Verbs) -> Verbs:
    """Two commits of ``raw/flights``: two rows; then one of them changed, one new in another file, and a note."""
    days = [date(2013, 1, 1), date(2013, 1, 2)]
    with open_store(verb.store.as_uri()) as store:
        repo = store.create_repo("raw/flights")
        with repo.commit() as commit:
            commit.put_table("01/0.parquet", pa.table({"carrier": ["UA", "B6"], "delay": [3, 5], "day": days}))
        with repo.commit() as commit:
            commit.put_table("01/0.parquet", pa.table({"carrier": ["UA", "B6"], "delay": [3, 6], "day": days}))
            commit.put_table("02/0.parquet", pa.table({"carrier": ["AA"], "delay": [9], "day": days[:1]}))
            commit.put("notes", b"corrected")
    return verb


def test_sql_reads_any_commit(flights: Verbs) -> None:
    total = "select sum(delay)::int as total from 'raw/flights@{}'"
    first = flights.head("raw/flights@main~1")
    assert [{"total": 18}] == flights.read("sql", total.format("main"))
    assert [{"total": 8}] == flights.read("sql", total.format(first))
    assert [{"total": 9}] == flights.read("sql", total.format("main/02/"))


def test_sql_prints_a_table_and_says_how_much_it_left_out(flights: Verbs) -> None:
    code, printed = flights("sql", "select carrier, day from 'raw/flights@main' order by delay", "-n", "2")
    assert code == 0
    assert "UA" in printed
    assert "2013-01-01" in printed
    assert "AA" not in printed
    assert "1 more rows" in printed


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("select nonsense from 'raw/flights@main'", "nonsense"),
        ("select 1 from 'raw/flights'", "from 'raw/flights@main'"),
        ("select 1 from 'raw/flights@nothing'", "no branch, tag or commit 'nothing'"),
        ("select 1 from 'raw/flights@main/notes'", "no Parquet file"),
    ],
)
def test_sql_that_cannot_be_run_is_refused_with_its_reason(flights: Verbs, statement: str, told: str) -> None:
    code, printed = flights("sql", statement)
    assert code == 1
    assert told in printed


def test_diff_rows_shows_rows_wherever_they_lie_and_names_what_is_no_table(flights: Verbs) -> None:
    found = flights.read("diff", "raw/flights", "--rows")
    assert [("AA", 9), ("B6", 6)] == sorted((row["carrier"], row["delay"]) for row in found["added"])
    assert [("B6", 5, "2013-01-02")] == [(row["carrier"], row["delay"], row["day"]) for row in found["removed"]]
    assert ["notes"] == [file["path"] for file in found["files"]]


def test_diff_rows_prints_both_sides(flights: Verbs) -> None:
    code, printed = flights("diff", "raw/flights", "--rows", "-n", "1")
    assert code == 0
    assert "- 1 rows removed\n" in printed
    assert "+ 2 rows added, the first 1\n" in printed
    assert "notes (not a table)" in printed


def test_diff_can_be_narrowed_to_a_prefix(flights: Verbs) -> None:
    found = flights.read("diff", "raw/flights", "--rows", "--prefix", "02/")
    assert ["AA"] == [row["carrier"] for row in found["added"]]
    assert ["02/0.parquet"] == [one["path"] for one in flights.read("diff", "raw/flights", "--prefix", "02/")]


def test_rows_that_only_moved_are_no_difference(flights: Verbs) -> None:
    with open_store(flights.store.as_uri()) as store:
        repo = store.repo("raw/flights")
        with repo.commit() as commit:
            commit.put_table("03/0.parquet", commit.head.table("02/") if commit.head else pa.table({}))
            commit.delete("02/0.parquet")
    code, printed = flights("diff", "raw/flights", "--rows")
    assert code == 0
    assert "No difference in rows" in printed
