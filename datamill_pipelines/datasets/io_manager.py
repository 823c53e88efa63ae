"""The IO manager ``dataset_io``: an asset's table becomes one commit, and is read back from it.

The asset ``features/flight_delay`` is the repo of that name. An unpartitioned table is the file ``part-0.parquet``; a
partition's is ``<partition>/part-0.parquet``. A run over several partitions returns (and is given) a dict from
partition to table, and commits them together. What the step has loaded is the commit's provenance. Nothing is visible
before the commit, and a step that is killed leaves the previous value as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa

from datamill_pipelines.connections import PlatformConnections  # noqa: TC001 (Dagster reads it at run time)
from datamill_pipelines.datasets.dagster_metadata import view_metadata
from datamill_pipelines.datasets.errors import InvalidNameError
from datamill_pipelines.datasets.refs import DEFAULT_BRANCH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_pipelines.datasets.store import DatasetStore
    from datamill_pipelines.datasets.transaction import Transaction

FILE = "part-0.parquet"


class DatasetIOManager(dg.ConfigurableIOManager):
    """Commits what assets return, and loads what they depend on.

    Attributes:
        platform: where the store is.
        branch: read and written.
    """

    platform: PlatformConnections
    branch: str = DEFAULT_BRANCH

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Commit a table, or one per partition.

        Raises:
            InvalidNameError: the value is no table, or not one per partition of the run.
        """
        if obj is None:
            return  # an asset that writes by itself
        tables = _tables_by_partition(context, obj)
        store = self.platform.store()
        repo = store.create_repo("/".join(context.asset_key.path), exist_ok=True)
        with repo.commit(
            self.branch,
            message=f"Asset {context.asset_key.to_user_string()}",
            author="dagster",
            run_id=context.run_id,
            code_version=context.asset_spec.code_version or "",
        ) as commit:
            for ref in _loaded(context):
                commit.read(ref)
            self._write(commit, tables)
        view = repo.view(commit.commit) if commit.commit is not None else repo.commit_view(self.branch)
        context.add_output_metadata(view_metadata(view))

    def load_input(self, context: dg.InputContext) -> pa.Table | dict[str, pa.Table]:
        """The upstream asset's table, or a dict of them for several partitions."""
        store: DatasetStore = self.platform.store()
        repo = "/".join(context.asset_key.path)
        view = store.commit_view(f"{repo}@{self.branch}")
        _remember(context, f"{repo}@{view.id}")
        if not context.has_asset_partitions:
            return view.table()
        tables = {key: view.table(f"{key}/") for key in context.asset_partition_keys}
        return next(iter(tables.values())) if len(tables) == 1 else tables

    @staticmethod
    def _write(commit: Transaction, tables: Mapping[str, pa.Table]) -> None:
        for partition, table in tables.items():
            folder = f"{partition}/" if partition else ""
            commit.delete_prefix(folder)
            commit.put_table(f"{folder}{FILE}", table)


_reads: dict[tuple[str, str], list[str]] = {}
"""References that the running step has loaded, by run and step: a step runs in one process."""


def _remember(context: dg.InputContext, ref: str) -> None:
    try:
        step = context.step_context
    except dg.DagsterInvariantViolationError:
        return  # loaded outside a run (`Definitions.load_asset_value`): nothing will be made of it
    _reads.setdefault((step.run_id, step.step.key), []).append(ref)


def _loaded(context: dg.OutputContext) -> list[str]:
    return _reads.pop((context.run_id, context.step_key), [])


def _tables_by_partition(context: dg.OutputContext, value: object) -> dict[str, pa.Table]:
    if not context.has_asset_partitions:
        return {"": _table(context, value)}
    keys = list(context.asset_partition_keys)
    given: dict[Any, Any] = value if isinstance(value, dict) else dict.fromkeys(keys[:1], value)
    if sorted(given) != sorted(keys):
        raise InvalidNameError(
            f"{context.asset_key.to_user_string()} returned tables for {sorted(given)}; the run is for {sorted(keys)}.",
            instruction="Return a dict with one table for each of context.partition_keys.",
        )
    return {key: _table(context, table) for key, table in given.items()}


def _table(context: dg.OutputContext, value: object) -> pa.Table:
    if isinstance(value, pa.Table):
        return value
    if hasattr(value, "__arrow_c_stream__"):  # polars, pandas, DuckDB relations
        return pa.table(value)
    raise InvalidNameError(
        f"{context.asset_key.to_user_string()} returned a {type(value).__name__}, which is no table.",
        instruction="Return a pyarrow.Table or a data frame, or write through the store and return None.",
    )
