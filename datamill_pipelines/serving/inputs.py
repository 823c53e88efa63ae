"""Rows of features as tensors of the protocol, checked before anything is sent.

A model server answers a wrong schema with a server error; here the caller is told which feature is wrong.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from datamill_pipelines.batch.schema import FEATURES
from datamill_pipelines.serving.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datamill_pipelines.batch.schema import Column

Value = str | int | float | None


def features() -> list[tuple[str, str]]:
    """Name and role (``category`` or ``number``) of each feature, in the order of training."""
    return [(column.name, column.role) for column in FEATURES]


def tensors(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One tensor a feature, as the protocol's JSON has them.

    Args:
        rows: feature name to value; a missing number is ``None``.

    Raises:
        InvalidInputError: a feature is missing, unknown, of the wrong type, or out of range.
    """
    if not rows:
        raise InvalidInputError("There are no rows to predict.", instruction="Give at least one.")
    columns = {column.name: column for column in FEATURES}
    for number, row in enumerate(rows):
        if set(row) != set(columns):
            missing, unknown = sorted(set(columns) - set(row)), sorted(set(row) - set(columns))
            raise InvalidInputError(
                f"Row {number} does not have the model's features: missing {missing}, unknown {unknown}.",
                instruction="Give exactly the columns that `datamill_pipelines.batch.schema.FEATURES` lists.",
            )
    return [
        {
            "name": column.name,
            "shape": [len(rows), 1],
            "datatype": "BYTES" if column.role == "category" else "FP64",
            "data": [checked(column, row[column.name], number) for number, row in enumerate(rows)],
        }
        for column in FEATURES
    ]


def checked(column: Column, value: object, row: int) -> Value:
    """One value, if the column can have it.

    Raises:
        InvalidInputError: it cannot.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        if column.nullable:
            return None
        raise _invalid(column, value, row, "must not be missing")
    if column.role == "category":
        if not isinstance(value, str):
            raise _invalid(column, value, row, "must be text")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isinf(value):
        raise _invalid(column, value, row, "must be a finite number")
    if (column.low is not None and value < column.low) or (column.high is not None and value > column.high):
        raise _invalid(column, value, row, f"must be between {column.low} and {column.high}")
    return float(value)


def _invalid(column: Column, value: object, row: int, rule: str) -> InvalidInputError:
    return InvalidInputError(
        f"Row {row}: {column.name} is {value!r}, and {rule}.",
        instruction=f"{column.name}: {column.description}.",
    )
