"""Whether a table holds what is declared: types, nulls, ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from datamill_pipelines.ingestion.contents import Range
    from datamill_pipelines.stream.schema import Column


def schema_faults(table: pa.Table, columns: Sequence[Column]) -> list[str]:
    """Declared columns that are missing, have another type, or hold nulls though they are required."""
    faults: list[str] = []
    for column in columns:
        if column.name not in table.column_names:
            faults.append(f"{column.name} is missing")
            continue
        found = table[column.name]
        if str(found.type) != column.type:
            faults.append(f"{column.name} is {found.type}, not {column.type}")
        elif column.required and found.null_count:
            faults.append(f"{column.name} is null in {found.null_count} rows")
    return faults


def range_faults(table: pa.Table, ranges: Mapping[str, Range]) -> list[str]:
    """Columns with values outside their range, and how many."""
    faults: list[str] = []
    for name, valid in ranges.items():
        values = table[name].drop_null().to_numpy()
        outside = values[(values < valid.low) | (values > valid.high)]
        if len(outside):
            found = f"{outside.min():g} to {outside.max():g}"
            faults.append(f"{len(outside)} of {name} outside {valid.low:g} to {valid.high:g} (found {found})")
    return faults


def duplicate_faults(table: pa.Table, key: str) -> list[str]:
    """Whether a column that identifies rows holds a value twice."""
    twice = table.num_rows - pc.count_distinct(table[key]).as_py()
    return [f"{key} repeats a value in {twice} rows"] if twice else []
