"""Assets' tables become commits, whole or not at all, with provenance."""

# Without postponed annotations: Dagster reads the types of assets' parameters.
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.datasets import DatasetStore, open_store
from datamill_pipelines.datasets.dagster_metadata import data_version
from datamill_pipelines.datasets.io_manager import DatasetIOManager

# Dagster 1.13.27 warns about a call of its own whenever a resource has another one as a field.
pytestmark = pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run is deprecated:DeprecationWarning")

MONTHS = dg.StaticPartitionsDefinition(["2013-01", "2013-02"])
RANGE = {"dagster/asset_partition_range_start": "2013-01", "dagster/asset_partition_range_end": "2013-02"}


class Directory(PlatformConnections):
    """A platform whose datasets are in a directory."""

    url: str

    def store(self) -> DatasetStore:
        return open_store(self.url)


@dg.asset(key=["raw", "a"], code_version="7", io_manager_key="dataset_io")
def a() -> pa.Table:
    return pa.table({"x": [1, 2]})


@dg.asset(
    key=["features", "b"], ins={"a": dg.AssetIn(["raw", "a"])}, partitions_def=MONTHS, io_manager_key="dataset_io"
)
def b(context: dg.AssetExecutionContext, a: pa.Table) -> Any:  # noqa: ANN401
    tables = dict.fromkeys(context.partition_keys, a)
    return tables if len(tables) > 1 else a


@dg.asset(key=["raw", "wrong"], io_manager_key="dataset_io")
def wrong() -> str:
    return "no table"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return (tmp_path / "store").as_uri()


def run(url: str, *selected: dg.AssetsDefinition, **options: Any) -> dg.ExecuteInProcessResult:  # noqa: ANN401
    resources = {"dataset_io": DatasetIOManager(platform=Directory(url=url))}
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [a, b, wrong], selection=list(selected), resources=resources, instance=instance, **options
        )


def test_a_table_is_committed_with_code_version_run_and_metadata(url: str) -> None:
    result = run(url, a)
    commit = open_store(url).commit_view("raw/a").commit
    assert (commit.code_version, commit.run_id, commit.author) == ("7", result.run_id, "dagster")
    (event,) = result.asset_materializations_for_node("raw__a")
    assert event.metadata["datamill/commit"].value == commit.id
    assert event.metadata["dagster/row_count"].value == 2


def test_what_was_loaded_is_provenance(url: str) -> None:
    run(url, a)
    run(url, b, partition_key="2013-01")
    store = open_store(url)
    view = store.commit_view("features/b")
    assert [source.commit for source in view.provenance] == [store.commit_view("raw/a").id]
    assert [file.path for file in view.files()] == ["2013-01/part-0.parquet"]


def test_several_partitions_are_one_commit(url: str) -> None:
    run(url, a)
    run(url, b, tags=RANGE)
    repo = open_store(url).repo("features/b")
    assert len(list(repo.log())) == 1
    view = repo.commit_view()
    assert [file.path for file in view.files()] == ["2013-01/part-0.parquet", "2013-02/part-0.parquet"]
    assert data_version(view, "2013-01/") == data_version(view, "2013-02/")


def test_an_equal_result_is_no_new_commit(url: str) -> None:
    run(url, a)
    run(url, a)
    assert len(list(open_store(url).repo("raw/a").log())) == 1


def test_what_is_no_table_is_refused_and_nothing_is_written(url: str) -> None:
    result = run(url, wrong, raise_on_error=False)
    assert not result.success
    assert open_store(url).repos() == []
