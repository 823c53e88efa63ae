"""``mlflow``: a tracking server with a model registry.

Fields: ``url``. ``/health`` answers before the backend store was ever touched, so the probe searches the registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra.capabilities.attempt import Attempt
from datamill_infra.capabilities.rest import RestClient

if TYPE_CHECKING:
    from datamill_infra.capabilities.attempt import Observation
    from datamill_infra.model.connections import ResolvedConnection


def probe(connection: ResolvedConnection, *, timeout: float) -> Observation:
    """Ask for the version, and search the registry and the experiments.

    Raises:
        UnhealthyError: the server, or the database behind it, does not answer.
    """
    url = connection.text("url")
    attempt = Attempt(connection, url, timeout)
    with RestClient(attempt, url) as client:
        version = client.get("/version").strip()
        models = client.json("GET", "/api/2.0/mlflow/registered-models/search?max_results=1")
        experiments = client.json("POST", "/api/2.0/mlflow/experiments/search", {"max_results": 1})
    if "experiments" not in experiments:
        raise attempt.failed("it has no default experiment, so its store was not initialised")
    return attempt.observed(
        f"MLflow {version}, the registry answers", version=version, has_models=bool(models.get("registered_models"))
    )


def environment(connection: ResolvedConnection) -> dict[str, str]:
    """What MLflow's own client reads."""
    url = connection.text("url")
    return {"MLFLOW_TRACKING_URI": url, "MLFLOW_REGISTRY_URI": url}
