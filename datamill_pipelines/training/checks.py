"""Checks of training."""

# No postponed annotations here: Dagster looks at those of checks when they are defined.
import dagster as dg

from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.registry import ALIAS, Registry
from datamill_pipelines.training.assets import MODEL


@dg.asset_check(
    asset=dg.AssetKey(["models", MODEL]),
    name="champion_passed_gate",
    description="There is a champion, and it met every criterion of the gate when it was registered.",
)
def champion_passed_gate(platform: PlatformConnections) -> dg.AssetCheckResult:
    """Read the verdicts that are recorded on the champion."""
    registry = Registry(platform.get("mlflow").text("url"))
    if registry.champion_version(MODEL) is None:
        return dg.AssetCheckResult(passed=False, description="No version has passed the gate yet.")
    champion = registry.version(MODEL, ALIAS)
    failed = [str(verdict["name"]) for verdict in champion.gate if not verdict["passed"]]
    return dg.AssetCheckResult(
        passed=bool(champion.gate) and not failed, metadata={"version": champion.version, "failed": failed}
    )
