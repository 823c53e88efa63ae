"""Wrong inputs are refused in front of the model server, by name."""

from __future__ import annotations

import math
from typing import Any

import pytest

from datamill_pipelines.batch.schema import FEATURES
from datamill_pipelines.serving.errors import InvalidInputError
from datamill_pipelines.serving.inputs import tensors


def row(**changed: object) -> dict[str, Any]:
    values = {column.name: "AA" if column.role == "category" else float(column.low or 1) for column in FEATURES}
    return values | changed


def test_one_tensor_a_feature_in_the_order_of_training() -> None:
    sent = tensors([row(), row(carrier="UA")])

    assert [column.name for column in FEATURES] == [tensor["name"] for tensor in sent]
    assert all(tensor["shape"] == [2, 1] for tensor in sent)
    assert next(tensor["data"] for tensor in sent if tensor["name"] == "carrier") == ["AA", "UA"]


@pytest.mark.parametrize("missing", [None, math.nan])
def test_a_missing_number_is_null(missing: float | None) -> None:
    sent = tensors([row(visib=missing)])

    assert next(tensor["data"] for tensor in sent if tensor["name"] == "visib") == [None]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"distance": None}, "must not be missing"),
        ({"distance": "far"}, "must be a finite number"),
        ({"distance": math.inf}, "must be a finite number"),
        ({"distance": True}, "must be a finite number"),
        ({"distance": 0}, "must be between"),
        ({"carrier": 7}, "must be text"),
        ({"carrier": None}, "must not be missing"),
    ],
)
def test_a_value_that_a_feature_cannot_have_is_refused_by_name(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said) as refused:
        tensors([row(), row(**changed)])

    assert f"Row 1: {next(iter(changed))}" in refused.value.reason


def test_features_that_are_missing_or_unknown_are_named() -> None:
    wrong = row(altitude=3.0)
    del wrong["distance"]

    with pytest.raises(InvalidInputError, match=r"missing \['distance'\], unknown \['altitude'\]"):
        tensors([wrong])


def test_no_rows_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="no rows"):
        tensors([])
