"""The batch on real servers: Spark and Dask, the same commits, the same rows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest
from pipelines.batch.raw_tables import arrow_tables, raw_tables

from datamill_pipelines.batch.build import build_features
from datamill_pipelines.batch.dask_engine import DaskEngine
from datamill_pipelines.batch.reconciliation import reconcile
from datamill_pipelines.batch.resources import DaskClients, SparkSessions
from datamill_pipelines.batch.schema import COLUMNS, REPO, file_of
from datamill_pipelines.batch.spark_engine import SCRATCH, SparkEngine
from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.datasets import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedded.room import Platform

    from datamill_infra.model.connections import ResolvedConnection
    from datamill_pipelines.batch.engine import FeatureEngine
    from datamill_pipelines.datasets import DatasetStore

# A Java machine is started twice.
pytestmark = pytest.mark.timeout(600)

MONTH = "2013-01"
DAYS = (1, 6)
BRANCH_FILES = 3


@pytest.fixture(scope="module")
def connections(platform: Platform) -> PlatformConnections:
    """The platform as assets see it."""
    return PlatformConnections(home=str(platform.home))


@pytest.fixture(scope="module")
def datasets(connections: PlatformConnections) -> ResolvedConnection:
    """Datasets of its own in the platform's object store: the example's raw flights are the sinks' business."""
    connection = connections.get("datasets")
    return replace(connection, values={**connection.values, "url": f"{connection.text('url')}/batch"})


@pytest.fixture(scope="module")
def store(datasets: ResolvedConnection) -> Iterator[DatasetStore]:
    """The raw tables of some days; flights in several files, as sinks cut them."""
    with open_store(datasets) as opened:
        for name, table in arrow_tables([MONTH], DAYS).items():
            repo = opened.create_repo(name, exist_ok=True)
            with repo.commit(message="Some days of January") as commit:
                commit.delete_prefix("")
                step = -(-table.num_rows // (BRANCH_FILES if name == "raw/flights" else 1))
                for start in range(0, table.num_rows, step):
                    commit.put_table(f"0/{start:020d}.parquet", table.slice(start, step))
        yield opened


@pytest.fixture(scope="module")
def both(
    connections: PlatformConnections, datasets: ResolvedConnection, store: DatasetStore
) -> dict[str, FeatureEngine]:
    """The engines, opened as the asset opens them."""
    return {
        "spark": SparkEngine(SparkSessions(platform=connections).session, store),
        "dask": DaskEngine(DaskClients(platform=connections).client, datasets),
    }


def test_spark_and_dask_build_equal_features_from_the_same_commits(
    both: dict[str, FeatureEngine], store: DatasetStore
) -> None:
    by_dask = build_features(store, both["dask"], [MONTH], run_id="a run", code_version="some code")
    digest, raw = by_dask.view.logical_digest(f"{MONTH}/"), by_dask.raw
    by_spark = build_features(store, both["spark"], [MONTH], run_id="another run", code_version="some code")

    assert digest == by_spark.view.logical_digest(f"{MONTH}/")
    # The canonical writer makes equal rows equal bytes: there was nothing to commit.
    assert not by_spark.changed
    assert by_dask.view.id == by_spark.view.id
    assert raw == by_spark.raw
    assert sorted(raw) == sorted(source.repo for source in by_dask.view.provenance)
    assert [] == reconcile(store, by_dask.view)[0]
    assert DAYS[1] == len(by_dask.view.table().column("flight_date").unique())


def test_the_features_are_those_of_the_data_frames(store: DatasetStore) -> None:
    built = store.commit_view(f"{REPO}@main").table(f"{MONTH}/").to_pandas().set_index("flight_id").sort_index()
    expected = raw_tables([MONTH], DAYS).features(MONTH)
    assert list(expected.index) == list(built.index)
    for column in COLUMNS:
        if column.role == "number":
            assert expected[column.name].astype(float).equals(built[column.name].astype(float)), column.name


def test_spark_leaves_nothing_behind_in_the_store(store: DatasetStore) -> None:
    assert [] == list(store.objects.scan(SCRATCH))


def test_the_keys_of_the_object_store_are_not_arguments_of_sparks_process(
    connections: PlatformConnections, store: DatasetStore
) -> None:
    secret = connections.get("datasets").text("secret_key")
    with SparkSessions(platform=connections).session() as session:
        files = store.commit_view("raw/planes@main").uris()
        assert session.read.parquet(*files).count() > 3000
        # Of one that has ended and that nobody has asked for yet, there are none.
        arguments = [one.as_dict(["cmdline"], [])["cmdline"] for one in psutil.Process().children(recursive=True)]
    assert any("org.apache.spark.deploy.SparkSubmit" in line for line in arguments)
    assert secret not in json.dumps(arguments)


def test_named_commits_are_read_whatever_the_branch_holds(both: dict[str, FeatureEngine], store: DatasetStore) -> None:
    named = f"raw/flights@{store.commit_view('raw/flights@main').id}"
    with store.repo("raw/flights").commit(message="More flights") as commit:
        commit.put_table("1/0.parquet", arrow_tables([MONTH], (9, 9))["raw/flights"])
    built = build_features(store, both["dask"], [MONTH], refs={"raw/flights": named})
    assert not built.changed
    assert named == built.raw["raw/flights"]
    more = build_features(store, both["dask"], [MONTH])
    assert more.changed
    assert built.rows[MONTH] < more.rows[MONTH]
    assert [file_of(MONTH)] == [file.path for file in more.view.files()]
