"""What the demo shows of its model and predictions, read back from where they were recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra.cli.lineage import print_tree
from datamill_infra.model.published import published_connection
from datamill_pipelines.datasets import open_store
from datamill_pipelines.lineage import Lineage
from datamill_pipelines.registry import Registry
from datamill_pipelines.serving.predictions import recorded

if TYPE_CHECKING:
    from datamill_infra.model.deployment import Deployment

SHOWN_PREDICTIONS = 3
CHAMPION = "champion"


def model_rows(deployment: Deployment) -> list[tuple[str, str, str]]:
    """Version, metric and value of every champion."""
    registry = _registry(deployment)
    rows = []
    for version in registry.versions():
        if CHAMPION in version.aliases:
            metrics = registry.metrics(version.tracking_run_id) if version.tracking_run_id else {}
            rows += [(version.ref, name, f"{value:.4f}") for name, value in sorted(metrics.items())]
    return rows


def prediction_rows(deployment: Deployment) -> list[tuple[str, str, str, str]]:
    """The latest predictions: id, flight, probability, model version."""
    with open_store(published_connection(deployment, "datasets")) as store:
        latest = sorted(recorded(store).values(), key=lambda one: one.predicted_at, reverse=True)[:SHOWN_PREDICTIONS]
    return [
        (one.prediction_id, one.flight_id, f"{one.probability:.1%}", f"{one.model}@{one.model_version}")
        for one in latest
    ]


def print_lineage(deployment: Deployment, prediction: str) -> None:
    """The tree from a prediction to the topic."""
    with open_store(published_connection(deployment, "datasets")) as store:
        print_tree(Lineage(store, _registry(deployment)).up(prediction))


def _registry(deployment: Deployment) -> Registry:
    return Registry(published_connection(deployment, "mlflow").text("url"))
