"""The logical digest of a table: equal for equal content, whatever order, chunks, encoding or engine.

The rows are sorted by all columns and digested column by column, straight from Arrow's buffers. A table whose first
column is strictly ascending (a sink's offsets) needs no sort.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from datamill_pipelines.datasets.framing import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDE = 64
_FLOATS = {32: np.float32, 64: np.float64}


def logical_digest(table: pa.Table) -> str:
    """Digest of the schema and the sorted rows.

    Dictionary encoding and the width of offsets do not count; column order, names, types and nulls do. ``-0.0`` equals
    ``0.0``, and every NaN equals every other. Whether a column *could* be null is not content.
    """
    return digest_of_plain(plain_table(table))


def digest_of_plain(table: pa.Table) -> str:
    """The same, of a table that :func:`plain_table` returned."""
    digest = blake3(canonical([[f.name, str(f.type)] for f in table.schema] + [table.num_rows]))
    if table.num_rows and table.num_columns:
        names = [f.name for f in table.schema]
        if not all(is_sortable(f.type) for f in table.schema):
            _digest_rows(digest, table)
            return digest.hexdigest()
        for column in sort_table(table, names).columns:
            _digest_column(digest, column.chunk(0))
    return digest.hexdigest()


def plain_table(table: pa.Table) -> pa.Table:
    """The table without what is not content: dictionaries, wide offsets, chunks, negative zeros, engines' metadata."""
    columns = [_plain(column) for column in table.columns]
    fields = [pa.field(f.name, c.type, f.nullable) for f, c in zip(table.schema, columns, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def sort_table(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """The rows in ascending order of ``keys``; nulls and NaN last. The table itself when it is in order already."""
    if _is_ascending(table, keys[0]):
        return table
    order = pc.sort_indices(table, [(key, "ascending") for key in keys])
    return table.take(order).combine_chunks()


def is_sortable(kind: Any) -> bool:  # noqa: ANN401 (an Arrow type; the stubs' hierarchy does not help)
    """Whether Arrow can sort by a column of this type."""
    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_string(kind)
        or types.is_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_decimal(kind)
        or (types.is_temporal(kind) and not types.is_interval(kind))
    )


def _plain(column: Any) -> Any:  # noqa: ANN401
    kind, types = column.type, pa.types
    if types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if types.is_large_string(kind) or kind == pa.string_view():
        column = column.cast(pa.string())
    elif types.is_large_binary(kind) or kind == pa.binary_view():
        column = column.cast(pa.binary())
    elif types.is_float16(kind):
        column = column.cast(pa.float32())
    if types.is_floating(column.type):
        # -0.0 + 0.0 is 0.0: equal numbers get equal bytes.
        column = pc.add(column, pa.scalar(0, column.type))
    if column.num_chunks == 1:
        return column
    return pa.chunked_array([column.combine_chunks()], column.type)


def _is_ascending(table: pa.Table, key: str) -> bool:
    """Whether this column alone proves the order: strictly ascending integers or times, without nulls."""
    if table.num_rows <= 1:
        return True
    array: Any = table.column(key).chunk(0)
    temporal = pa.types.is_temporal(array.type)
    if array.null_count or not (temporal or pa.types.is_integer(array.type)):
        return False
    if temporal:
        array = array.view(_whole(array.type))
    values = array.to_numpy(zero_copy_only=True)
    return bool(np.all(values[1:] > values[:-1]))


def _digest_column(digest: blake3, array: Any) -> None:  # noqa: ANN401
    kind, types = array.type, pa.types
    digest.update(b"\x01" if array.null_count else b"\x00")
    if array.null_count:
        digest.update(_raw(pc.is_valid(array).cast(pa.uint8()).to_numpy()))
    if types.is_string(kind) or types.is_binary(kind):
        array = array.fill_null(b"" if types.is_binary(kind) else "")
        _, offsets, data = array.buffers()
        ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
        digest.update(_raw(np.diff(ends)))
        if data is not None:
            digest.update(memoryview(data)[int(ends[0]) : int(ends[-1])])
    elif types.is_boolean(kind):
        digest.update(_raw(array.fill_null(False).cast(pa.uint8()).to_numpy()))
    elif types.is_decimal(kind) or types.is_fixed_size_binary(kind):
        digest.update(canonical([None if value is None else str(value) for value in array.to_pylist()]))
    else:
        digest.update(_raw(_numbers(array)))


def _numbers(array: Any) -> np.ndarray[Any, Any]:  # noqa: ANN401
    """The fixed-width values: zero where there is null (a writer may leave anything there), one NaN for all."""
    kind = array.type
    if array.null_count:
        zero = pa.scalar(0, _whole(kind)).cast(kind) if pa.types.is_temporal(kind) else pa.scalar(0, kind)
        array = array.fill_null(zero)
    width = kind.bit_width // 8
    raw = np.frombuffer(array.buffers()[1], np.uint8)[array.offset * width : (array.offset + len(array)) * width]
    if pa.types.is_floating(kind):
        floats = raw.view(_FLOATS[kind.bit_width])
        nan = np.isnan(floats)
        if nan.any():
            floats = floats.copy()
            floats[nan] = np.nan
        return floats
    return raw


def _whole(kind: Any) -> Any:  # noqa: ANN401
    return pa.int64() if kind.bit_width == _WIDE else pa.int32()


def _raw(values: np.ndarray[Any, Any]) -> memoryview:
    return np.ascontiguousarray(values).view(np.uint8).data


def _digest_rows(digest: blake3, table: pa.Table) -> None:
    """Rows as JSON, sorted: for nested columns, which no engine sorts."""
    for row in sorted(canonical(_jsonable(row)) for row in table.to_pylist()):
        digest.update(row + b"\n")


def _jsonable(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    return value if value is None or isinstance(value, str | int | bool) else repr(value)
