"""Another version becomes champion: it answers before the one it replaces is taken away."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
import mlflow
import numpy as np
import pyarrow as pa
import pytest
import requests
from sklearn.dummy import DummyClassifier

from datamill_pipelines.batch.schema import COLUMNS, REPO, SORT_BY, arrow_schema, file_of
from datamill_pipelines.registry import Registry
from datamill_pipelines.serving.assets import MODEL, predictions_flight_delay, serving_flight_delay
from datamill_pipelines.serving.inputs import features, tensors
from datamill_pipelines.serving.model_server import ModelServer
from datamill_pipelines.serving.predictions import recorded

if TYPE_CHECKING:
    from embedded.room import Platform

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    # MLflow says this of scikit-learn's own type hints whenever a model is logged for the first time in a process.
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]

FLIGHT = "2013-02-28-UA1-EWR-SFO"
RATES = {"1": 0.25, "2": 0.75}
"""Version to what it answers, whatever it is asked."""


def row() -> dict[str, Any]:
    """One flight with valid values."""
    known: dict[str, Any] = {
        "flight_id": FLIGHT,
        "flight_date": FLIGHT[:10],
        "scheduled_departure": datetime(2013, 2, 28, 12, tzinfo=UTC),
        "asked_at": datetime(2013, 2, 28, 10, tzinfo=UTC),
        "outcome": "arrived",
        "late": False,
    }
    unknown = {column.name: "UA" if column.role == "category" else None for column in COLUMNS if column.nullable}
    filled = {
        column.name: "UA" if column.role == "category" else int(column.low or 0)
        for column in COLUMNS
        if not column.nullable
    }
    return filled | unknown | known


@pytest.fixture(scope="module")
def registered(apart: Platform) -> Registry:
    """Two versions, and features to ask them about."""
    url = apart.connection("mlflow").text("url")
    mlflow.set_tracking_uri(url)
    for version, rate in RATES.items():
        late = np.arange(4) < 4 * rate
        with mlflow.start_run():
            logged = mlflow.sklearn.log_model(
                DummyClassifier(strategy="prior").fit(np.zeros((4, 1)), late),
                name="model",
                registered_model_name=MODEL,
                pip_requirements=["scikit-learn", "skops"],
            )
        assert str(logged.registered_model_version) == version
    with apart.connections.store() as store, store.create_repo(REPO).commit("main") as commit:
        commit.put_table(file_of("2013-02"), pa.Table.from_pylist([row()], schema=arrow_schema()), sort_by=SORT_BY)
    return Registry(url)


def publish(apart: Platform) -> None:
    assets = [serving_flight_delay, predictions_flight_delay]
    assert dg.materialize(assets, resources={"platform": apart.connections}).success


def test_a_new_champion_takes_over_without_a_moment_in_which_nobody_answers(
    apart: Platform, registered: Registry
) -> None:
    url = apart.connection("inference").text("url")
    server, right = ModelServer(url), tensors([{name: row()[name] for name, _ in features()}])
    registered.promote(MODEL, "1")
    publish(apart)
    answers: list[tuple[int, str, float]] = []
    asked, over = threading.Event(), threading.Event()

    def keep_asking() -> None:
        while not over.wait(0.02):
            told = requests.post(f"{url}/v2/models/{MODEL}/infer", json={"inputs": right}, timeout=120)
            answer = told.json() if told.ok else {}
            answers.append((told.status_code, answer.get("model_version", ""), *_data(answer)))
            asked.set()

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        assert asked.wait(120)
        registered.promote(MODEL, "2")
        publish(apart)
        asked.clear()
        assert asked.wait(120)
    finally:
        over.set()
        asking.join()
    assert server.is_ready(MODEL, "2")
    assert not server.is_ready(MODEL, "1")
    assert {(200, version, rate) for version, rate in RATES.items()} == set(answers)
    versions = [version for _, version, _ in answers]
    assert versions == sorted(versions)
    with apart.connections.store() as store:
        made = {one.model_version: one.probability for one in recorded(store).values()}
    assert made == RATES


def _data(answer: dict[str, Any]) -> list[float]:
    return [float(value) for output in answer.get("outputs", []) for value in output["data"]]
