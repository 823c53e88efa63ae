"""The checks see what is wrong, and only that."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pipelines.batch.raw_tables import arrow_tables, raw_tables

from datamill_pipelines.batch import valid
from datamill_pipelines.batch.schema import arrow_schema

FLIGHTS = arrow_tables(["2013-01"], (1, 3))["raw/flights"]
TABLE = pa.Table.from_pandas(
    raw_tables(["2013-01"], (1, 3)).features("2013-01").reset_index(), schema=arrow_schema(), preserve_index=False
)


def replaced(name: str, values: list[object]) -> pa.Table:
    """The table with the first values of a column replaced."""
    index = TABLE.schema.get_field_index(name)
    column = [*values, *TABLE.column(name).to_pylist()[len(values) :]]
    return TABLE.set_column(index, name, pa.array(column, TABLE.schema.field(name).type))


def test_real_features_have_no_faults() -> None:
    faults, expected = valid.reconciliation_faults(TABLE, FLIGHTS)
    assert [*valid.schema_faults(TABLE), *valid.range_faults(TABLE), *valid.identity_faults(TABLE), *faults] == []
    assert TABLE.num_rows == expected["rows"] > 2000


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("day_of_week", 8, "day_of_week is above 7 in 1 rows"),
        ("carrier_late_rate", -0.5, "carrier_late_rate is below 0 in 1 rows"),
        ("outcome", "vanished", "unknown outcome 'vanished'"),
        ("late", None, "1 rows have a label and did not arrive, or arrived and have none"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: object, fault: str) -> None:
    assert fault in valid.range_faults(replaced(name, [value]))


def test_a_column_that_is_missing_of_another_type_or_null_is_named() -> None:
    index = TABLE.schema.get_field_index("distance")
    other = TABLE.drop_columns(["late"]).set_column(index, "distance", TABLE.column("distance").cast(pa.string()))
    assert valid.schema_faults(other) == ["no column late", "distance is string, not int64"]
    assert valid.schema_faults(replaced("origin", [None])) == ["origin is null in 1 rows"]


def test_a_flight_that_is_there_twice_is_named() -> None:
    (fault,) = valid.identity_faults(pa.concat_tables([TABLE, TABLE.slice(7, 1)]))
    assert fault.startswith("1 flights are there twice")
    assert TABLE.column("flight_id")[7].as_py() in fault


def test_a_flight_that_was_lost_between_raw_and_features_is_found() -> None:
    faults, _ = valid.reconciliation_faults(TABLE.slice(1), FLIGHTS)
    assert any(fault.startswith("rows: ") for fault in faults)
