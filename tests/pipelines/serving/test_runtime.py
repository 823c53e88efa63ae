"""Inside the model server: a wrong request gets a reason, and never reaches the model."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlserver import ModelSettings
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest

from datamill_pipelines.serving.runtime import OUTPUT, TabularClassifier

FEATURES = {"carrier": "category", "distance": "number"}


class Distance:
    """A model whose answer shows what it was asked."""

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        assert list(frame.columns) == list(FEATURES)
        late = frame["distance"].fillna(0.0).to_numpy() / 1000
        return np.column_stack([1 - late, late])


@pytest.fixture
def classifier() -> TabularClassifier:
    made = TabularClassifier(ModelSettings(name="flight_delay", implementation=TabularClassifier))
    made._features, made._model = FEATURES, Distance()
    return made


def tensor(name: str, data: list[Any], datatype: str) -> dict[str, Any]:
    return {"name": name, "shape": [len(data), 1], "datatype": datatype, "data": data}


def ask(classifier: TabularClassifier, *inputs: dict[str, Any]) -> list[float]:
    answer = asyncio.run(classifier.predict(InferenceRequest.model_validate({"inputs": list(inputs)})))
    (output,) = answer.outputs
    assert output.name == OUTPUT
    return [float(value) for value in output.data.root]


def test_every_row_is_answered_and_a_missing_number_is_missing(classifier: TabularClassifier) -> None:
    carriers, distances = tensor("carrier", ["UA", "DL"], "BYTES"), tensor("distance", [500, None], "FP64")
    assert ask(classifier, carriers, distances) == [0.5, 0.0]


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ([tensor("carrier", ["UA"], "BYTES")], r"features missing: \['distance'\]"),
        (
            [
                tensor("carrier", ["UA"], "BYTES"),
                tensor("distance", [1.0], "FP64"),
                tensor("altitude", [1.0], "FP64"),
            ],
            r"features unknown: \['altitude'\]",
        ),
        ([tensor("carrier", ["UA"], "BYTES"), tensor("distance", ["far"], "BYTES")], "distance: 'far' is not a number"),
        ([tensor("carrier", ["UA"], "BYTES"), tensor("distance", [True], "BOOL")], "distance: True is not a number"),
        ([tensor("carrier", [7], "INT64"), tensor("distance", [1.0], "FP64")], "carrier: 7 is not text"),
        (
            [tensor("carrier", ["UA", "DL"], "BYTES"), tensor("distance", [1.0], "FP64")],
            "one value a row, and they have carrier: 2, distance: 1",
        ),
    ],
    ids=["missing", "unknown", "text for a number", "a flag for a number", "a number for text", "too many values"],
)
def test_a_wrong_request_is_told_what_is_wrong_with_it(
    classifier: TabularClassifier, inputs: list[dict[str, Any]], told: str
) -> None:
    with pytest.raises(InferenceError, match=told):
        ask(classifier, *inputs)
