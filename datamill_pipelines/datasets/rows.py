"""What differs between two commits, row by row. Only files that differ are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from datamill_pipelines.datasets.blobs import BlobReader
from datamill_pipelines.datasets.diff import diff_trees
from datamill_pipelines.datasets.tables import read_parquet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamill_pipelines.datasets.commits import Commit
    from datamill_pipelines.datasets.nodes import FileEntry
    from datamill_pipelines.datasets.trees import TreeReader


@dataclass(frozen=True)
class RowDiff:
    """Rows that only one side has, with their number of copies.

    Attributes:
        added: rows of the new commit that the old one does not have.
        removed: rows of the old commit that the new one does not have.
    """

    added: pa.Table
    removed: pa.Table


def diff_rows(tree: TreeReader, old: Commit, new: Commit, prefix: str = "") -> RowDiff:
    """Rows of the Parquet files below ``prefix`` that differ. A row that moved from file to file does not."""
    changes = [change for change in diff_trees(tree, old.root, new.root) if change.path.startswith(prefix)]
    before = _table(tree, [c.old for c in changes if c.old is not None and c.old.rows is not None])
    after = _table(tree, [c.new for c in changes if c.new is not None and c.new.rows is not None])
    return compare_rows(before, after)


def compare_rows(before: pa.Table, after: pa.Table) -> RowDiff:
    """Rows that only one of two tables has. Columns that only one has are null in the other."""
    import duckdb  # noqa: PLC0415 (a tenth of a second that few need)

    schema = pa.unify_schemas([before.schema, after.schema], promote_options="permissive")
    before, after = _as(before, schema), _as(after, schema)
    if not schema.names:
        return RowDiff(after, before)
    with duckdb.connect() as connection:
        connection.register("before", before)
        connection.register("after", after)
        added = connection.sql("select * from after except all select * from before").to_arrow_table()
        removed = connection.sql("select * from before except all select * from after").to_arrow_table()
        return RowDiff(added, removed)


def _table(tree: TreeReader, entries: Sequence[FileEntry]) -> pa.Table:
    tables = [read_parquet(data) for _, data in BlobReader(tree.objects).read_each(entries)]
    return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with all columns of the schema."""
    columns = [
        table.column(field.name).cast(field.type)
        if field.name in table.schema.names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema([field.with_nullable(True) for field in schema]))
