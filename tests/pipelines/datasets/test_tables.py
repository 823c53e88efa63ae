"""Equal tables have equal bytes and digests; different ones do not."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datamill_pipelines.datasets.errors import InvalidNameError
from datamill_pipelines.datasets.logical import logical_digest
from datamill_pipelines.datasets.tables import canonical_table, encode_table, read_parquet

Row = dict[str, Any]

EARLY, LATE = dt.datetime(2013, 1, 1, tzinfo=dt.UTC), dt.datetime(2014, 1, 1, tzinfo=dt.UTC)
ROWS: list[Row] = [
    {"i": 3, "s": "x", "f": 1.5, "b": True, "t": EARLY, "d": Decimal("1.50"), "y": b"1"},
    {"i": None, "s": None, "f": None, "b": None, "t": None, "d": None, "y": None},
    {"i": 1, "s": "", "f": float("nan"), "b": False, "t": LATE, "d": Decimal(0), "y": b""},
    {"i": 1, "s": "", "f": 0.0, "b": False, "t": LATE, "d": Decimal(0), "y": b""},
]


def table() -> pa.Table:
    return pa.Table.from_pylist(ROWS)


@pytest.mark.parametrize("seed", range(10))
def test_order_chunks_and_encoding_do_not_count(seed: int) -> None:
    chance = random.Random(seed)
    shuffled = chance.sample(ROWS, len(ROWS))
    cut = chance.randrange(1, len(ROWS))
    schema = table().schema
    chunked = pa.concat_tables(
        [pa.Table.from_pylist(shuffled[:cut], schema=schema), pa.Table.from_pylist(shuffled[cut:], schema=schema)]
    )
    encoded = chunked.set_column(1, "s", chunked.column("s").dictionary_encode())
    wide = chunked.set_column(1, "s", chunked.column("s").cast(pa.large_string()))
    sliced = pa.concat_tables([chunked, chunked]).slice(len(ROWS) - 1, len(ROWS))
    expected = logical_digest(table())
    assert [logical_digest(each) for each in (chunked, encoded, wide)] == [expected] * 3
    assert logical_digest(sliced) == logical_digest(pa.Table.from_pylist(sliced.to_pylist(), schema=schema))
    bytes_of = [encode_table(canonical_table(each, sort_by=["i"])) for each in (table(), chunked, encoded, wide)]
    assert len(set(bytes_of)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"i": 4},
        {"i": None},
        {"s": "y"},
        {"s": None},
        {"f": 1.25},
        {"f": None},
        {"b": False},
        {"y": b"2"},
        {"d": Decimal(2)},
    ],
)
def test_any_changed_value_counts(change: Row) -> None:
    rows = [{**ROWS[0], **change}, *ROWS[1:]]
    assert logical_digest(pa.Table.from_pylist(rows, schema=table().schema)) != logical_digest(table())


def test_copies_names_types_and_column_order_count() -> None:
    plain = table()
    others = [
        pa.concat_tables([plain, plain.slice(0, 1)]),
        plain.rename_columns(["j", *plain.column_names[1:]]),
        plain.select(plain.column_names[::-1]),
        plain.set_column(0, "i", plain.column("i").cast(pa.int32())),
    ]
    assert len({logical_digest(each) for each in [plain, *others]}) == 5


def test_equal_numbers_are_equal() -> None:
    assert logical_digest(pa.table({"f": [0.0, -0.0]})) == logical_digest(pa.table({"f": [-0.0, -0.0]}))
    assert logical_digest(pa.table({"f": pa.array([1.0, None])})) != logical_digest(
        pa.table({"f": [1.0, float("nan")]})
    )


def test_values_do_not_run_into_each_other() -> None:
    assert logical_digest(pa.table({"s": ["ab", "c"]})) != logical_digest(pa.table({"s": ["a", "bc"]}))
    one, two = pa.table({"a": ["x", "y"], "b": ["1", "2"]}), pa.table({"a": ["x", "y"], "b": ["2", "1"]})
    assert logical_digest(one) != logical_digest(two)


def test_nested_tables_have_a_digest_too() -> None:
    rows: list[Row] = [{"a": [1, 2], "b": {"c": "x"}}, {"a": None, "b": {"c": None}}]
    one, two = pa.Table.from_pylist(rows), pa.Table.from_pylist(rows[::-1])
    assert logical_digest(one) == logical_digest(two)
    assert logical_digest(one) != logical_digest(pa.Table.from_pylist([{"a": [2, 1], "b": {"c": "x"}}, rows[1]]))


@pytest.mark.parametrize("empty", [pa.table({}), pa.table({"a": pa.array([], pa.int64())})])
def test_empty_tables_are_tables(empty: pa.Table) -> None:
    assert read_parquet(encode_table(canonical_table(empty))).num_rows == 0
    assert logical_digest(empty) == logical_digest(empty)


def test_what_polars_and_parquet_hand_back_has_the_digest_of_what_went_in() -> None:
    plain = table().drop_columns(["d"])
    assert logical_digest(read_parquet(encode_table(canonical_table(plain)))) == logical_digest(plain)
    frame = pl.DataFrame({"offset": [1, 2, 3], "s": ["a", None, "c"]})
    assert logical_digest(frame.to_arrow()) == logical_digest(pa.table({"offset": [1, 2, 3], "s": ["a", None, "c"]}))


def test_rounding_hides_the_order_of_sums() -> None:
    one = canonical_table(pa.table({"f": [0.1 + 0.2, -1e-12]}), round_digits=9)
    two = canonical_table(pa.table({"f": [0.3, 1e-12]}), round_digits=9)
    assert encode_table(one) == encode_table(two)


def test_a_column_that_cannot_be_sorted_by_is_named() -> None:
    with pytest.raises(InvalidNameError, match="nothing"):
        canonical_table(table(), sort_by=["nothing"])


def encodings(table: pa.Table) -> dict[str, bool]:
    """Whether a column has a dictionary, by its name in the file."""
    metadata = pq.ParquetFile(pa.BufferReader(encode_table(table))).metadata.row_group(0)
    columns = [metadata.column(index) for index in range(metadata.num_columns)]
    return {column.path_in_schema: column.has_dictionary_page for column in columns}


@pytest.mark.parametrize("rows", [10, 2_048, 5_000, 40_000])
def test_only_columns_whose_values_repeat_get_a_dictionary(rows: int) -> None:
    repeated = pa.array([f"k{number % 4}" for number in range(rows)])
    unique = pa.array([f"u{number}" for number in range(rows)])
    clustered = pa.array([number // (rows // 5 + 1) for number in range(rows)])

    assert {"repeated": True, "unique": False, "clustered": True} == encodings(
        pa.table({"repeated": repeated, "unique": unique, "clustered": clustered})
    )


def test_nested_and_empty_columns_are_written_and_read_back() -> None:
    kinds = {
        "list": (pa.list_(pa.string()), ["a", "a"]),
        "struct": (pa.struct([("x", pa.int64()), ("y", pa.list_(pa.string()))]), {"x": 1, "y": ["a"]}),
        "map": (pa.map_(pa.string(), pa.int64()), [("k", 1)]),
        "null": (pa.null(), None),
    }
    table = pa.table({name: pa.array([value] * 20, kind) for name, (kind, value) in kinds.items()})

    assert table.equals(read_parquet(encode_table(table)))
    nested = {"list.list.element", "struct.x", "struct.y.list.element", "map.key_value.key", "map.key_value.value"}
    assert nested <= {name for name, has in encodings(table).items() if has}
    assert read_parquet(encode_table(table.slice(0, 0))).num_rows == 0
