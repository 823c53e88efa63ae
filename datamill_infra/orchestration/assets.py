"""Components as assets: one step per deploy, one result per component, in the order in which they become healthy.

A component is an asset so that data can depend on it; bringing components up is one step, because their order, their
parallelism and what a failure stops is the business of :class:`datamill_infra.drivers.rollout.Rollout`, which the
drivers' tests hold to its promises without Dagster. Failed components fail the step after the others have finished.
"""

# No postponed annotations here: Dagster looks at those of steps when they are defined.
from collections.abc import Iterator, Sequence

import dagster as dg

from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.passes import FAILURES, Event
from datamill_infra.drivers.reported import Reported
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import DatamillError
from datamill_infra.orchestration import facts
from datamill_infra.orchestration.driving import Driving
from datamill_infra.orchestration.failures import failure_of, failure_of_outcomes
from datamill_infra.orchestration.reporting import ClusterReport

Result = dg.MaterializeResult[None] | dg.AssetCheckResult

PASSING = ("waiting", "checking", "awaiting", "rolling out", "probing", "claims")
"""For a live display only: each line of a run's log is a transaction of Dagster's storage."""


class DeployConfig(dg.Config):
    """What a deploy may do besides its usual work.

    Attributes:
        allow_crd_losses: change definitions of kinds on a cluster even when objects lose something by it.
    """

    allow_crd_losses: bool = False


def deploy_assets(deployment: Deployment) -> dg.AssetsDefinition:
    """The assets ``infra/<component>`` of a deployment, with their checks.

    Args:
        deployment: read once, when the code location is loaded.
    """

    @dg.multi_asset(
        name="deploy",
        specs=facts.asset_specs(deployment),
        check_specs=facts.check_specs(deployment),
        can_subset=True,
    )
    def deploy(context: dg.AssetExecutionContext, config: DeployConfig) -> Iterator[Result]:
        """Bring the selected components up, with what they need; or, when only checks are selected, probe them."""
        selected = {key.path[-1] for key in context.selected_asset_keys}
        wanted = [name for name in deployment.resolution.sequence() if name in selected]
        rollout = Rollout(deployment, lossy=config.allow_crd_losses)
        if not wanted:
            checked = {key.asset_key.path[-1] for key in context.selected_asset_check_keys}
            yield from facts.probe_checks(rollout, sorted(checked))
            return
        try:
            with writer_lock(deployment, f"{context.job_name} (run {context.run.run_id[:8]})"):
                yield from _bring_up(context, rollout, wanted)
        except DatamillError as error:
            raise failure_of(error) from error

    return deploy


def _bring_up(context: dg.AssetExecutionContext, rollout: Rollout, wanted: Sequence[str]) -> Iterator[Result]:
    whole = set(wanted) == set(rollout.deployment.resolution.components)
    driving = Driving(rollout, lambda on_event: rollout.up(None if whole else wanted, on_event=on_event))
    report = ClusterReport(rollout, context.log.warning)
    reported = Reported(rollout.deployment)
    reported.owe(rollout.deployment.resolution.closure(wanted))
    for event in driving.events():
        _log(context, event)
        if event.component not in wanted:
            continue
        if (result := _result(rollout, event)) is not None:
            report.add(result)
            yield result
    if report.send():
        reported.settle(wanted)
    if failure := failure_of_outcomes(driving.outcomes):
        raise failure


def _result(rollout: Rollout, event: Event) -> Result | None:
    """What an event means for the component's asset; ``None`` while it is on its way."""
    if event.state in ("healthy", "unchanged"):
        changed, seen = event.state == "healthy", event.outcome.observed if event.outcome else None
        return facts.materialization(rollout, event.component, changed=changed, summary=event.message, observed=seen)
    if event.state in FAILURES:
        return facts.unhealthy(event.component, event.message)
    return None


def _log(context: dg.AssetExecutionContext, event: Event) -> None:
    line = f"{event.component}: {event.state}{f': {event.message}' if event.message else ''}"
    if event.state in FAILURES:
        context.log.error(line)
    elif event.state not in PASSING or (event.state == "probing" and event.message):
        context.log.info(line)
