"""Tables: the one canonical Parquet writer.

Byte equality is promised under one lock file (the writer's version is in every footer); logical equality always
(:mod:`.logical`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datamill_pipelines.datasets.errors import InvalidNameError
from datamill_pipelines.datasets.logical import is_sortable, plain_table, sort_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamill_pipelines.datasets.nodes import Schema

ROW_GROUP_ROWS = 131_072

TABLE_EXTENSIONS = frozenset({".parquet"})
"""Files that are tables: they get a logical digest, rows and a schema, whoever wrote them."""

ENGINE_EXTENSIONS = TABLE_EXTENSIONS | {".csv", ".json", ".ndjson", ".jsonl", ".arrow", ".feather", ".avro", ".orc"}
"""Files that engines read in place, so they are never packed."""


def canonical_table(table: pa.Table, *, sort_by: Sequence[str] = (), round_digits: int | None = None) -> pa.Table:
    """The table as it is stored: plain types, no metadata of engines, sorted, one chunk a column.

    Args:
        table: any table.
        sort_by: columns to sort by; ties are broken by all other columns in order. Without any, rows keep their order.
        round_digits: decimals that floats are rounded to, where the order of an engine's sums would show.

    Raises:
        InvalidNameError: a column to sort by does not exist, or cannot be sorted by.
    """
    plain = plain_table(table)
    if round_digits is not None:
        for index, field in enumerate(plain.schema):
            if pa.types.is_floating(field.type):
                rounded: Any = pc.round(plain.column(index), ndigits=round_digits)
                plain = plain.set_column(index, field, rounded)
        plain = plain_table(plain)  # rounding can make a negative zero
    if not sort_by:
        return plain
    sortable = [field.name for field in plain.schema if is_sortable(field.type)]
    unknown = [name for name in sort_by if name not in sortable]
    if unknown:
        raise InvalidNameError(
            f"The table cannot be sorted by {', '.join(unknown)}.",
            instruction=f"Name columns that exist and are not nested: {', '.join(sortable)}.",
        )
    return sort_table(plain, [*sort_by, *(name for name in sortable if name not in sort_by)])


def encode_table(table: pa.Table) -> bytes:
    """The Parquet bytes of a canonical table."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=ROW_GROUP_ROWS,
        compression="zstd",
        compression_level=1,
        version="2.6",
        data_page_version="1.0",
        use_dictionary=True,
        write_statistics=True,
    )
    return sink.getvalue().to_pybytes()


def read_parquet(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in Parquet bytes."""
    return pq.read_table(pa.BufferReader(data), columns=list(columns) if columns is not None else None)


def schema_of(table: pa.Table) -> Schema:
    """Name, type and nullability of each column."""
    return tuple((f.name, str(f.type), f.nullable) for f in table.schema)
