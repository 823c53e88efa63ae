"""SQL over any commit: ``select carrier, avg(arr_delay) from 'raw/flights@main' group by 1``.

A quoted name in a query that is a reference to a commit, optionally with a folder (``'raw/flights@main/2013/01/'``),
becomes a table of its Parquet files. They are checked against the commit's digests before DuckDB sees them, and
DuckDB sees nothing else: no files, no network.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_pipelines.datasets.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow as pa

    from datamill_pipelines.datasets.store import DatasetStore

_TABLE = re.compile(
    r"(?P<word>\b(?:from|join)\s+)'(?P<repo>[A-Za-z0-9][\w./-]*)@(?P<revision>[^'@/]+)(?P<folder>/[^']*)?'",
    re.IGNORECASE,
)


def query(store: DatasetStore, sql: str) -> pa.Table:
    """Run a query whose tables are commits.

    Args:
        store: where the commits are.
        sql: one statement of DuckDB's SQL.

    Raises:
        NotFoundError: a name in the query is no commit with Parquet files.
        DatasetError: DuckDB refuses the query.
    """
    import duckdb  # noqa: PLC0415 (a tenth of a second that few need)

    with tempfile.TemporaryDirectory(prefix="datamill-") as scratch, duckdb.connect() as connection:
        tables: dict[str, str] = {}
        files: dict[str, list[str]] = {}

        def bind(match: re.Match[str]) -> str:
            ref = f"{match['repo']}@{match['revision'].replace('%2F', '/')}"
            name = f"{ref}{match['folder'] or ''}"
            if name not in tables:
                tables[name] = f"commit_{len(tables)}"
                files[name] = store.commit_view(ref).parquet_paths((match["folder"] or "/")[1:], Path(scratch))
                connection.from_parquet(files[name], union_by_name=True).create_view(tables[name])
            return f"{match['word']}{tables[name]}"

        statement = _TABLE.sub(bind, sql)
        allowed = [path for paths in files.values() for path in paths]
        connection.execute("set allowed_paths = $1", [allowed])
        connection.execute("set enable_external_access = false")
        try:
            result = connection.sql(statement)
            table: pa.Table | None = result.to_arrow_table() if result is not None else None
        except duckdb.Error as error:
            raise DatasetError(
                f"The query failed: {error}", instruction="Tables are quoted names of commits: from 'raw/flights@main'."
            ) from error
        if table is None:
            raise DatasetError("The statement returns no rows.", instruction="Write a query that begins with select.")
        return table
