"""A sensor that looks at the components, so that the user interface shows what is, not what was deployed.

It changes nothing: deploying is never automatic. An evaluation is recorded when a check turns, and once after each
deploy, not at every look.

Dagster takes the evaluation that was *inserted* last for the current one, and a run inserts its own when it is
planned. What is recorded here while a deploy runs would therefore hide what the deploy found, and count as out of date
as soon as the component is materialised. So the sensor looks away while somebody writes, and records again whenever a
component has been materialised since: a look that came at the wrong moment is put right by the next.
"""

# No postponed annotations here: Dagster looks at those of sensors when they are defined.
import json
from concurrent.futures import ThreadPoolExecutor

import dagster as dg

from datamill_infra.drivers.lock import current_holder
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment
from datamill_infra.orchestration.facts import asset_key, probe_checks

INTERVAL_SECONDS = 30

Seen = list[bool | float]
"""Whether a check passed, and when its component had last been materialised."""


def health_sensor(deployment: Deployment) -> dg.SensorDefinition:
    """The sensor of one deployment."""

    @dg.sensor(
        name="component_health",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Probes every component and records checks that have turned. Starts nothing.",
    )
    def component_health(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        """Look at the components that have been deployed."""
        if holder := current_holder(deployment):
            return dg.SkipReason(f"The deployment is being changed by {holder}.")
        rollout = Rollout(deployment)
        deployed = [name for name in deployment.resolution.sequence() if _is_deployed(rollout, name)]
        with ThreadPoolExecutor(max(1, len(deployed)), thread_name_prefix="probe") as pool:
            batches = list(pool.map(lambda name: probe_checks(rollout, [name]), deployed))
        before: dict[str, Seen] = json.loads(context.cursor) if context.cursor else {}
        now: dict[str, Seen] = {}
        news = []
        for component, results in zip(deployed, batches, strict=True):
            materialised = _materialised_at(context.instance, component)
            for result in results:
                named = f"{component}:{result.check_name}"
                now[named] = [result.passed, materialised]
                if before.get(named) != now[named]:
                    news.append(_evaluation(component, result))
        return dg.SensorResult(asset_events=news, cursor=json.dumps(now, sort_keys=True))

    return component_health


def _is_deployed(rollout: Rollout, component: str) -> bool:
    """Whether there is anything to probe; on a cluster it may have been deployed from elsewhere."""
    if rollout.releases.get(component) is not None:
        return True
    return rollout.deployment.target != "embedded" and rollout.driver(component).observe(component).exists


def _materialised_at(instance: dg.DagsterInstance, component: str) -> float:
    """Seconds since the epoch; 0 if it never was."""
    event = instance.get_latest_materialization_event(asset_key(component))
    return event.timestamp if event else 0.0


def _evaluation(component: str, result: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=asset_key(component),
        check_name=str(result.check_name),
        passed=result.passed,
        metadata=result.metadata,
        description=result.description,
    )
