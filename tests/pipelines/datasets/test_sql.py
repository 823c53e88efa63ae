"""SQL and row differences over commits."""

# ruff: noqa: S608 (queries are what is tested)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from datamill_pipelines.datasets import DatasetError, NotFoundError
from datamill_pipelines.datasets.errors import DamagedObjectError

if TYPE_CHECKING:
    from datamill_pipelines.datasets.store import DatasetStore


def fill(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    with repo.commit() as transaction:
        transaction.put_table("01/a.parquet", pa.table({"carrier": ["UA", "AA"], "delay": [1, 2]}))
        transaction.put_table("02/a.parquet", pa.table({"carrier": ["UA"], "delay": [5]}))
    with repo.commit() as transaction:
        transaction.put_table("02/a.parquet", pa.table({"carrier": ["UA", "UA"], "delay": [5, 5]}))
        transaction.put_table("03/a.parquet", pa.table({"carrier": ["AA"], "delay": [7], "tail": ["N1"]}))


def test_any_commit_can_be_queried(store: DatasetStore) -> None:
    fill(store)
    result = store.sql(
        "select now.n - before.n as more from (select count(*) n from 'raw/flights@main') now,"
        " (select count(*) n from 'raw/flights@main~1') before"
    )
    assert result.to_pylist() == [{"more": 2}]
    commit = store.commit_view("raw/flights").id
    rows = store.sql(f"select carrier, sum(delay)::int d from 'raw/flights@{commit}' group by 1 order by 1").to_pylist()
    assert rows == [{"carrier": "AA", "d": 9}, {"carrier": "UA", "d": 11}]
    assert store.sql("SELECT count(*) n FROM 'raw/flights@main/02/'").to_pylist() == [{"n": 2}]
    assert store.sql("select tail from 'raw/flights@main' where tail is not null").to_pylist() == [{"tail": "N1"}]


def test_a_query_sees_commits_and_nothing_else(store: DatasetStore, tmp_path: Path) -> None:
    fill(store)
    (tmp_path / "secret.csv").write_text("a\n1\n")
    for statement in (
        f"select * from read_csv('{tmp_path}/secret.csv')",
        f"select * from 'raw/flights@main', read_csv('{tmp_path}/secret.csv')",
        "selec",
        "",
    ):
        with pytest.raises(DatasetError):
            store.sql(statement)
    with pytest.raises(NotFoundError):
        store.sql("select * from 'raw/flights@nothing'")


def test_a_query_never_uses_damaged_bytes(local: DatasetStore) -> None:
    fill(local)
    path = Path(local.commit_view("raw/flights").uris("03/")[0])
    with path.open("r+b") as file:
        file.seek(10)
        file.write(b"\x00\xff")
    with pytest.raises(DamagedObjectError):
        local.sql("select * from 'raw/flights@main'")


def test_rows_that_differ_are_told_with_their_copies(store: DatasetStore) -> None:
    fill(store)
    diff = store.repo("raw/flights").diff_rows("main~1", "main")
    assert sorted(map(str, diff.added.to_pylist())) == sorted(
        map(
            str,
            [
                {"carrier": "UA", "delay": 5, "tail": None},
                {"carrier": "AA", "delay": 7, "tail": "N1"},
            ],
        )
    )
    assert diff.removed.num_rows == 0
    assert store.repo("raw/flights").diff_rows("main", "main~1", "02/").removed.num_rows == 1
    assert store.repo("raw/flights").diff_rows("main", "main").added.num_rows == 0
