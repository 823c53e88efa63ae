"""A prediction is on record once, with what it was made from, and is found by its id."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest

from datamill_pipelines.datasets import DatasetStore, NotFoundError, open_store
from datamill_pipelines.serving.predictions import Prediction, find, prediction_id, record, recorded


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    return open_store(f"file://{tmp_path}/datasets")


@pytest.fixture
def features(store: DatasetStore) -> str:
    with store.create_repo("features/flight_delay").commit("main") as commit:
        commit.put("2013-02.txt", b"features")
    return f"features/flight_delay@{commit.commit.id}"


def prediction(features: str, flight: str = "2013-02-28-UA1-EWR-SFO") -> Prediction:
    return Prediction(
        prediction_id=prediction_id("flight_delay", "1", flight, "digest"),
        model="flight_delay",
        model_version="1",
        flight_id=flight,
        probability=0.25,
        inputs='{"distance": 2565.0}',
        predicted_at=datetime(2026, 11, 21, 12, tzinfo=UTC),
        features=features,
        run_id="run",
    )


def test_a_prediction_is_found_by_its_id_with_everything_it_was_recorded_with(
    store: DatasetStore, features: str
) -> None:
    made = prediction(features)
    commit = record(store, [made], features=features, run_id="run", code_version="code")
    found, where = find(store, made.prediction_id[:12])

    assert found == made
    assert where.id == commit.id
    assert [f"{source.repo}@{source.commit}" for source in where.provenance] == [features]
    assert where.metadata["models"] == ["flight_delay@1"]


def test_the_same_question_is_recorded_once(store: DatasetStore, features: str) -> None:
    made = prediction(features)
    record(store, [made], features=features, run_id="run", code_version="code")
    later = dataclasses.replace(made, run_id="later")

    assert record(store, [later], features=features, run_id="later", code_version="code") is None
    assert recorded(store) == {made.prediction_id: made}


def test_predictions_accumulate(store: DatasetStore, features: str) -> None:
    first, second = prediction(features), prediction(features, "2013-02-28-AA7-JFK-LAX")
    record(store, [first], features=features, run_id="run", code_version="code")
    record(store, [first, second], features=features, run_id="run", code_version="code")

    assert set(recorded(store)) == {first.prediction_id, second.prediction_id}


def test_an_unknown_id_is_an_error(store: DatasetStore, features: str) -> None:
    with pytest.raises(NotFoundError, match="No recorded prediction"):
        find(store, "none")
    record(store, [prediction(features)], features=features, run_id="run", code_version="code")
    with pytest.raises(NotFoundError, match="No recorded prediction"):
        find(store, "zzz")
