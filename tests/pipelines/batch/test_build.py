"""What is made of the same commits by the same code is not made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from datamill_pipelines.batch.build import Built, build_features
from datamill_pipelines.batch.engine import FeatureEngine
from datamill_pipelines.batch.schema import arrow_schema
from datamill_pipelines.batch.sources import COLUMNS
from datamill_pipelines.datasets import CommitView, DatasetStore, open_store

JANUARY, FEBRUARY = "2013-01", "2013-02"


class CountingEngine(FeatureEngine):
    """One flight a month, and how often it was asked."""

    name = "counting"

    def __init__(self) -> None:
        self.asked = 0

    def build(self, raw: Mapping[str, CommitView], months: Sequence[str]) -> dict[str, pa.Table]:
        del raw
        self.asked += 1
        return {
            month: pa.table(
                {name: pa.array([f"{month}-01" if pa.types.is_string(kind) else None], kind) for name, kind in columns}
            )
            for month in months
            for columns in [[(field.name, field.type) for field in arrow_schema()]]
        }

    def _compute(self, raw: Mapping[str, CommitView], first_day: int, last_day: int) -> pa.Table:
        raise NotImplementedError


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    made = open_store(f"file://{tmp_path}/store")
    for name in COLUMNS:
        with made.create_repo(name).commit() as commit:
            commit.put_table("0.parquet", pa.table({"row": [1]}))
    return made


def build(store: DatasetStore, engine: FeatureEngine, *months: str, code: str = "code") -> Built:
    return build_features(store, engine, months or [JANUARY], code_version=code)


def test_the_same_commits_and_code_are_computed_once(store: DatasetStore) -> None:
    engine = CountingEngine()
    first, second = build(store, engine, JANUARY, FEBRUARY), build(store, engine, FEBRUARY)
    assert (1, True, False) == (engine.asked, first.changed, second.changed)
    assert (first.view.id, {FEBRUARY: 1}) == (second.view.id, second.rows)


@pytest.mark.parametrize("news", ["month", "code", "engine", "raw", "unknown code"])
def test_anything_new_is_computed(store: DatasetStore, news: str) -> None:
    engine = CountingEngine()
    build(store, engine, code="" if news == "unknown code" else "code")
    if news == "engine":
        engine.name = "another"
    if news == "raw":
        with store.repo("raw/flights").commit() as commit:
            commit.put_table("1.parquet", pa.table({"row": [2]}))
    code = {"code": "other code", "unknown code": ""}.get(news, "code")
    build(store, engine, FEBRUARY if news == "month" else JANUARY, code=code)
    assert engine.asked == 2
