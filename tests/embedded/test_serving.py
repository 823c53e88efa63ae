"""Serving on real servers: answers are those of the registered model, recorded with all that made them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import requests

from datamill_pipelines.serving.errors import ModelServerError
from datamill_pipelines.serving.inputs import features, tensors
from datamill_pipelines.serving.model_server import ModelServer
from datamill_pipelines.serving.predictions import Prediction, recorded
from datamill_pipelines.training import model_file

if TYPE_CHECKING:
    from pathlib import Path

    from embedded.room import Platform

pytestmark = pytest.mark.timeout(600)

MODEL = "flight_delay"
OUTPUT = "probability"


@pytest.fixture(scope="module")
def predictions(platform: Platform, flight_delay: dict[str, Any]) -> list[Prediction]:
    """Those of the example's run."""
    with platform.connections.store() as store:
        made = [one for one in recorded(store).values() if one.run_id == flight_delay["run_id"]]
    assert len(made) == 3
    return made


@pytest.fixture
def server(platform: Platform) -> ModelServer:
    return ModelServer(platform.connection("inference").text("url"))


def test_each_prediction_is_what_the_registered_version_answers_to_the_recorded_inputs(
    platform: Platform, predictions: list[Prediction], tmp_path: Path
) -> None:
    for one in predictions:
        url = platform.connection("mlflow").text("url")
        model = model_file.read(*model_file.fetch(url, one.model, one.model_version, tmp_path / one.prediction_id))
        inputs = json.loads(one.inputs)
        assert {name for name, _ in features()} == set(inputs)
        row = {
            name: pd.Series([inputs[name]], dtype=object if role == "category" else "float64")
            for name, role in features()
        }
        assert one.probability == pytest.approx(model.predict_proba(pd.DataFrame(row))[0, 1], abs=1e-9)


def test_predicted_flights_are_of_a_day_that_no_part_of_training_saw(predictions: list[Prediction]) -> None:
    assert {"2013-02-28"} == {one.flight_id[:10] for one in predictions}


def test_the_server_answers_the_open_inference_protocol_under_the_predictions_id(
    platform: Platform, predictions: list[Prediction]
) -> None:
    one = predictions[0]
    answer = requests.post(
        f"{platform.connection('inference').text('url')}/v2/models/{MODEL}/infer",
        json={"id": one.prediction_id, "inputs": tensors([json.loads(one.inputs)])},
        timeout=60,
    )
    assert answer.status_code == 200
    told = answer.json()
    assert (told["id"], told["model_name"], told["model_version"]) == (one.prediction_id, MODEL, one.model_version)
    assert told["outputs"][0]["data"] == [pytest.approx(one.probability, abs=1e-9)]


def test_asking_the_same_again_records_nothing(platform: Platform, predictions: list[Prediction]) -> None:
    platform.run("serve")
    with platform.connections.store() as store:
        assert {one.prediction_id: one for one in predictions} == recorded(store)


Change = Callable[[list[dict[str, Any]]], object]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda inputs: inputs.pop(), "features missing: ['"),
        (lambda inputs: inputs[0].update(name="altitude"), "features unknown: ['altitude']"),
        (lambda inputs: inputs[-1].update(data=["soon"], datatype="BYTES"), "'soon' is not a number"),
        (lambda inputs: inputs[0].update(data=[7], datatype="INT64"), "7 is not text"),
        (lambda inputs: inputs[0].update(data=["UA", "DL"], shape=[2, 1]), "carrier: 2"),
    ],
    ids=["missing", "unknown", "text for a number", "a number for text", "too many values"],
)
def test_a_wrong_input_is_told_what_is_wrong_and_the_server_goes_on_answering(
    server: ModelServer, predictions: list[Prediction], change: Change, told: str
) -> None:
    one = predictions[0]
    right = tensors([json.loads(one.inputs)])
    wrong = json.loads(json.dumps(right))
    change(wrong)
    with pytest.raises(ModelServerError) as refused:
        server.infer(MODEL, one.model_version, "a wrong one", wrong, OUTPUT)
    assert told in refused.value.reason
    assert "answered 4" in refused.value.reason
    assert [one.probability] == server.infer(MODEL, one.model_version, one.prediction_id, right, OUTPUT)


def test_a_date_without_flights_is_refused_with_an_instruction(platform: Platform, tmp_path: Path) -> None:
    config = tmp_path / "serve.yaml"
    config.write_text("ops: {predictions__flight_delay: {config: {date: '2013-12-24'}}}\n", encoding="utf-8")
    refused = platform.datamill("run", "serve", "--config", str(config))
    assert refused.returncode == 1
    assert "There is no flight on 2013-12-24" in refused.stderr
    assert "datamill run features" in refused.stderr
