"""Checks of serving: what is served is the champion, and what is recorded can be believed."""

# No postponed annotations here: Dagster looks at those of checks when they are defined.
import dagster as dg

from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.serving.assets import MODEL
from datamill_pipelines.serving.champion import champion
from datamill_pipelines.serving.model_server import ModelServer
from datamill_pipelines.serving.predictions import recorded


@dg.asset_check(
    asset=dg.AssetKey(["serving", MODEL]),
    name="serving_is_champion",
    description="The model server is ready to answer with the registry's champion.",
)
def serving_is_champion(platform: PlatformConnections) -> dg.AssetCheckResult:
    """Ask the registry and the server."""
    chosen = champion(platform.get("mlflow").text("url"), MODEL)
    ready = ModelServer(platform.get("inference").text("url")).is_ready(MODEL, chosen.version)
    return dg.AssetCheckResult(passed=ready, metadata={"champion": chosen.version})


@dg.asset_check(
    asset=dg.AssetKey(["predictions", MODEL]),
    name="predictions_valid",
    description="Every recorded prediction has a probability between 0 and 1, a model version and a features commit.",
)
def predictions_valid(platform: PlatformConnections) -> dg.AssetCheckResult:
    """Look at every prediction on record."""
    known = recorded(platform.store())
    wrong = [
        prediction.prediction_id
        for prediction in known.values()
        if not (0 <= prediction.probability <= 1 and prediction.model_version and "@" in prediction.features)
    ]
    return dg.AssetCheckResult(passed=not wrong, metadata={"predictions": len(known), "wrong": wrong})
