"""A sensor that looks at the components, so that the user interface shows what is, not what was deployed.

It changes nothing: deploying is never automatic. An evaluation is recorded when a check turns, not at every look.
"""

# No postponed annotations here: Dagster looks at those of sensors when they are defined.
import json
from concurrent.futures import ThreadPoolExecutor

import dagster as dg

from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment
from datamill_infra.orchestration.facts import asset_key, probe_checks

INTERVAL_SECONDS = 30


def health_sensor(deployment: Deployment) -> dg.SensorDefinition:
    """The sensor of one deployment."""

    @dg.sensor(
        name="component_health",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Probes every component and records checks that have turned. Starts nothing.",
    )
    def component_health(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """Look at the components that have been deployed."""
        rollout = Rollout(deployment)
        deployed = [name for name in deployment.resolution.sequence() if rollout.releases.get(name) is not None]
        with ThreadPoolExecutor(max(1, len(deployed)), thread_name_prefix="probe") as pool:
            batches = list(pool.map(lambda name: probe_checks(rollout, [name]), deployed))
        before: dict[str, bool] = json.loads(context.cursor) if context.cursor else {}
        now: dict[str, bool] = {}
        turned = []
        for component, results in zip(deployed, batches, strict=True):
            for result in results:
                named = f"{component}:{result.check_name}"
                now[named] = result.passed
                if before.get(named) != result.passed:
                    turned.append(_evaluation(component, result))
        return dg.SensorResult(asset_events=turned, cursor=json.dumps(now, sort_keys=True))

    return component_health


def _evaluation(component: str, result: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=asset_key(component),
        check_name=str(result.check_name),
        passed=result.passed,
        metadata=result.metadata,
        description=result.description,
    )
