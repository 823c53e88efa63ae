"""Predictions on record: id, model version, inputs, answer, and the features commit they were read from.

A prediction's id is a function of the model version, the flight and the features' content, so asking the same question
twice records one prediction, and two runs agree on its id.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from datamill_pipelines.datasets import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pyarrow as pa

    from datamill_pipelines.datasets import Commit, CommitView, DatasetStore

REPO = "predictions/flight_delay"
_NAMESPACE = uuid.UUID("6f1d3c52-6c55-4a5e-9a39-3b1f5c1f0d6e")


@dataclass(frozen=True)
class Prediction:
    """One answer of a model.

    Attributes:
        prediction_id: see :func:`prediction_id`.
        model: registered name.
        model_version: registered version.
        flight_id: the flight that was asked about.
        probability: of arriving more than 15 minutes late, 0 to 1.
        inputs: the features as JSON, name to value.
        predicted_at: when the model answered, UTC.
        features: where the inputs were read, ``repo@commit``.
        run_id: the run that asked.
    """

    prediction_id: str
    model: str
    model_version: str
    flight_id: str
    probability: float
    inputs: str
    predicted_at: datetime
    features: str
    run_id: str


def prediction_id(model: str, version: str, flight_id: str, features_digest: str) -> str:
    """The id of a question: the same for the same model version, flight and features.

    Args:
        model: registered name.
        version: registered version.
        flight_id: the flight.
        features_digest: tree digest of the features commit.
    """
    return str(uuid.uuid5(_NAMESPACE, json.dumps([model, version, flight_id, features_digest])))


def recorded(store: DatasetStore) -> dict[str, Prediction]:
    """Every prediction on record, by id."""
    view = _head(store)
    return {} if view is None else {row["prediction_id"]: Prediction(**row) for row in view.table().to_pylist()}


def find(store: DatasetStore, wanted: str) -> tuple[Prediction, Commit]:
    """A prediction, and the commit that holds it.

    Args:
        store: where predictions are recorded.
        wanted: an id, or a prefix that no other prediction has.

    Raises:
        NotFoundError: no prediction, or more than one, has this id.
    """
    view = _head(store)
    matches = [row for row in view.table().to_pylist() if row["prediction_id"].startswith(wanted)] if view else []
    if len(matches) != 1 or view is None:
        raise NotFoundError(
            f"{len(matches) or 'No'} recorded {'predictions have ids' if matches else 'prediction has an id'}"
            f" that starts with {wanted!r}.",
            instruction=f"`datamill data cat {REPO}@main` lists them.",
        )
    return Prediction(**matches[0]), view.commit


def record(
    store: DatasetStore, predictions: Sequence[Prediction], *, features: str, run_id: str, code_version: str
) -> Commit | None:
    """Record predictions as one commit, whose provenance is the features commit.

    Args:
        store: where to.
        predictions: those that are on record already are not recorded again.
        features: the ref their inputs were read from, ``repo@commit``.
        run_id: of the run that asked.
        code_version: of the code that asked.

    Returns:
        The commit, or ``None`` if all were on record.
    """
    known = recorded(store)
    new = [prediction for prediction in predictions if prediction.prediction_id not in known]
    if not new:
        return None
    repo = store.create_repo(REPO, "Predictions of flight delays: id, model version, inputs, answer", exist_ok=True)
    models = sorted({f"{prediction.model}@{prediction.model_version}" for prediction in new})
    with repo.commit("main", message=f"{len(new)} predictions", run_id=run_id, code_version=code_version) as commit:
        commit.read(features)
        commit.metadata["models"] = models
        first = min(prediction.predicted_at for prediction in new)
        path = f"{first:%Y-%m-%d}/{min(prediction.prediction_id for prediction in new)}.parquet"
        commit.put_table(path, table(new), sort_by=["prediction_id"])
    return commit.commit


def schema() -> pa.Schema:
    """The Arrow schema of the dataset."""
    import pyarrow as pa  # noqa: PLC0415  (definitions are loaded by processes that touch no table)

    types = {"probability": pa.float64(), "predicted_at": pa.timestamp("us", tz="UTC")}
    return pa.schema([pa.field(field.name, types.get(field.name, pa.string())) for field in fields(Prediction)])


def table(predictions: Sequence[Prediction]) -> pa.Table:
    """Predictions as a table."""
    import pyarrow as pa  # noqa: PLC0415  (see above)

    rows: list[dict[str, Any]] = [asdict(prediction) for prediction in predictions]
    return pa.Table.from_pylist(rows, schema=schema())


def _head(store: DatasetStore) -> CommitView | None:
    try:
        return store.commit_view(f"{REPO}@main")
    except NotFoundError:
        return None
