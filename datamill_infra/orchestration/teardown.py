"""Taking a deployment down: one op, in the exact reverse of the order in which it comes up.

Assets cannot be un-materialised, so each removed component gets failed checks that say it was taken down: nothing in
the user interface stays green that does not run.
"""

# No postponed annotations here: Dagster looks at those of steps when they are defined.
import dagster as dg
from pydantic import Field

from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import DatamillError
from datamill_infra.orchestration import facts
from datamill_infra.orchestration.driving import Driving
from datamill_infra.orchestration.failures import failure_of, failure_of_outcomes
from datamill_infra.orchestration.reporting import ClusterReport, forget_reported

OP = "teardown"


class TeardownConfig(dg.Config):
    """What is to go.

    Attributes:
        components: these and what depends on them; all of the flavour when empty.
        delete_data: delete what they keep, too.
    """

    components: list[str] = Field(default_factory=list)
    delete_data: bool = False


def teardown_op(deployment: Deployment) -> dg.OpDefinition:
    """The op that all teardown jobs of a deployment share."""

    @dg.op(name=OP)
    def teardown(context: dg.OpExecutionContext, config: TeardownConfig) -> None:
        """Stop components, those that depend on others first."""
        rollout = Rollout(deployment)
        driving = Driving(
            rollout,
            lambda on_event: rollout.down(config.components or None, delete_data=config.delete_data, on_event=on_event),
        )
        report, removed = ClusterReport(rollout, context.log.warning), list[str]()
        try:
            with writer_lock(deployment, f"{context.job_name} (run {context.run.run_id[:8]})"):
                for event in driving.events():
                    context.log.info(f"{event.component}: {event.state} {event.message}".rstrip())
                    if event.state == "removed" and event.component in deployment.resolution.components:
                        removed.append(event.component)
                        _report_removed(context.instance, report, event.component, event.message)
                forget_reported(rollout, removed)
                report.send()
        except DatamillError as error:
            raise failure_of(error) from error
        if failure := failure_of_outcomes(driving.outcomes):
            raise failure

    return teardown


def teardown_job(op: dg.OpDefinition, name: str, components: list[str]) -> dg.JobDefinition:
    """A job that stops components.

    Args:
        op: see :func:`teardown_op`.
        name: of the job.
        components: what the job is about by default; the whole deployment, leftovers included, when empty.
    """

    @dg.job(
        name=name,
        description="Stops the components in reverse order; data stays unless the configuration says otherwise.",
        executor_def=dg.in_process_executor,
        config=dg.RunConfig(ops={OP: TeardownConfig(components=components)}),
    )
    def taking_down() -> None:
        op()

    return taking_down


def _report_removed(instance: dg.DagsterInstance, report: ClusterReport, component: str, told: str) -> None:
    for check in (facts.HEALTHY, facts.IN_SYNC):
        key, description = facts.asset_key(component), f"It was taken down; {told}."
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=key, check_name=check, passed=False, metadata={"told": told}, description=description
            )
        )
        report.add(dg.AssetCheckResult(asset_key=key, check_name=check, passed=False, description=description))
