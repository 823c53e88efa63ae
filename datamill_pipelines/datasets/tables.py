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

LOOKED_AT = 2_048
"""About so many rows, evenly spread, decide whether a column gets a dictionary."""

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
        use_dictionary=_repetitive(table),  # type: ignore[arg-type]  # the stubs know only one name
        write_statistics=True,
    )
    return sink.getvalue().to_pybytes()


def _repetitive(table: pa.Table) -> list[str]:
    """The columns that a dictionary makes smaller: those of whose values, looked at evenly, most occur again.

    A dictionary of values that hardly repeat takes as long to make as all the rest of the writing, and is then thrown
    away or, worse, kept. The choice depends on the rows alone, so equal tables still give equal bytes. Nested columns
    always get one: what repeats in them is not looked for.
    """
    rows = table.num_rows
    step = max(rows // LOOKED_AT, 1)
    chosen: list[str] = []
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_nested(field.type):
            chosen += _leaves(field.name, field.type)
            continue
        looked_at: Any = column if step == 1 else column.take(pa.array(range(0, rows, step), pa.int64()))
        if 2 * len(pc.unique(looked_at)) <= len(looked_at):
            chosen.append(field.name)
    return chosen


def _leaves(path: str, kind: Any) -> list[str]:  # noqa: ANN401 (an Arrow type; the stubs' hierarchy does not help)
    """The names that Parquet gives to the values in a nested column."""
    types = pa.types
    if types.is_struct(kind):
        return [leaf for child in kind for leaf in _leaves(f"{path}.{child.name}", child.type)]
    if types.is_map(kind):
        key, item = f"{path}.key_value.key", f"{path}.key_value.value"
        return _leaves(key, kind.key_type) + _leaves(item, kind.item_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _leaves(f"{path}.list.element", kind.value_type)
    return [path]


def read_parquet(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in Parquet bytes."""
    return pq.read_table(pa.BufferReader(data), columns=list(columns) if columns is not None else None)


def schema_of(table: pa.Table) -> Schema:
    """Name, type and nullability of each column."""
    return tuple((f.name, str(f.type), f.nullable) for f in table.schema)
