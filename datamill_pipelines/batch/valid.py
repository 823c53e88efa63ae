"""What is wrong with a features table, in words; nothing if it is as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from datamill_pipelines.batch.knowledge import LATE_AFTER
from datamill_pipelines.batch.schema import COLUMNS, OUTCOMES, arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 3


def schema_faults(table: pa.Table) -> list[str]:
    """Columns that are missing, unknown, of another type, or null where they must not be."""
    wanted, found = arrow_schema(), table.schema
    faults = [f"no column {name}" for name in wanted.names if name not in found.names]
    faults += [f"unknown column {name}" for name in found.names if name not in wanted.names]
    for column in COLUMNS:
        if column.name not in found.names:
            continue
        kind = found.field(column.name).type
        if kind != wanted.field(column.name).type:
            faults.append(f"{column.name} is {kind}, not {column.kind}")
        nulls = table.column(column.name).null_count
        if nulls and not column.nullable:
            faults.append(f"{column.name} is null in {nulls} rows")
    return faults


def range_faults(table: pa.Table) -> list[str]:
    """Values outside a column's range, outcomes that do not exist, labels that contradict the outcome."""
    faults = []
    for column in COLUMNS:
        value = pc.field(column.name)
        if column.low is not None and (count := table.filter(value < column.low).num_rows):
            faults.append(f"{column.name} is below {column.low:g} in {count} rows")
        if column.high is not None and (count := table.filter(value > column.high).num_rows):
            faults.append(f"{column.name} is above {column.high:g} in {count} rows")
    outcomes = set(table.column("outcome").unique().to_pylist())
    faults += [f"unknown outcome {outcome!r}" for outcome in sorted(outcomes - set(OUTCOMES), key=str)]
    arrived = table.filter(pc.field("outcome") == "arrived").column("late")
    labelled = table.num_rows - table.column("late").null_count
    # Arrived without a label, and labelled without having arrived.
    contradictions = arrived.null_count + labelled - (len(arrived) - arrived.null_count)
    if contradictions:
        faults.append(f"{contradictions} rows have a label and did not arrive, or arrived and have none")
    return faults


def identity_faults(table: pa.Table) -> list[str]:
    """Flights that are there twice."""
    counts = table.group_by("flight_id").aggregate([([], "count_all")]).filter(pc.field("count_all") > 1)
    twice = sorted(str(flight) for flight in counts.column("flight_id").to_pylist())
    return [f"{len(twice)} flights are there twice, for example {', '.join(twice[:SHOWN])}"] if twice else []


def reconciliation_faults(features: pa.Table, flights: pa.Table) -> tuple[list[str], dict[str, int]]:
    """Differences between a month's features and the raw flights of that month that they were made of.

    Args:
        features: of one month.
        flights: the same month's rows of ``raw/flights``.

    Returns:
        The faults, and the numbers that were expected.
    """
    stranded = flights.filter(pc.field("arr_delay").is_null())
    cancelled = stranded.column("dep_delay").null_count
    expected = {
        "rows": flights.num_rows,
        "arrived": flights.num_rows - stranded.num_rows,
        "cancelled": cancelled,
        "diverted": stranded.num_rows - cancelled,
        "late": flights.filter(pc.field("arr_delay") > LATE_AFTER).num_rows,
    }
    found = {
        "rows": features.num_rows,
        **{name: features.filter(pc.field("outcome") == name).num_rows for name in OUTCOMES},
        "late": features.filter(pc.field("late")).num_rows,
    }
    differing = [name for name, value in expected.items() if found[name] != value]
    return [f"{name}: {found[name]} in features, {expected[name]} in raw" for name in differing], expected
