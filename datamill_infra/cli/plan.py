"""``datamill plan``."""

from __future__ import annotations

import click

from datamill_infra.cli.clusters import target_options
from datamill_infra.cli.output import as_json_option, print_columns, print_json
from datamill_infra.cli.root import COMMANDS

CHANGES = 2


@click.command(help=f"{COMMANDS['plan']}\n\nFLAVOUR is for a deployment that does not exist yet [default: demo].")
@click.argument("flavour", required=False)
@target_options
@as_json_option
@click.pass_obj
def command(home: str | None, flavour: str | None, *, context: str | None, target: str | None, as_json: bool) -> int:
    """Compare what the deployment says with what is there."""
    from datamill_infra.cli.deployments import preview_deployment
    from datamill_infra.drivers.rollout import Rollout
    from datamill_infra.model.errors import PlatformError

    deployment = preview_deployment(home, flavour, context=context, target=target)
    rollout = Rollout(deployment)
    plan = rollout.plan()
    obstacles = rollout.obstacles(plan)
    granted = rollout.granted()
    replaced = deployment.resolution.replacements()
    if as_json:
        substitutions = [each.to_dict() for each in replaced]
        print_json({**plan.to_dict(), "obstacles": obstacles, "granted": granted, "substitutions": substitutions})
    else:
        print_columns(
            ("component", "state", "action", "why"),
            ((change.component, change.state, change.action, change.reason) for change in plan),
        )
        for change in plan:
            for difference in change.differences:
                click.echo(f"  {change.component}: {difference}")
        for each in replaced:
            click.echo(f"  instead of {each.component}: {', '.join(each.replaced_by)} ({each.reason})")
        if granted:
            click.echo("  whoever gets to the web server may have done")
        for told in granted:
            click.echo(f"    {told}")
    if obstacles:
        raise PlatformError(
            "This plan cannot be carried out:\n" + "\n".join(f"  {told}" for told in obstacles),
            instruction="Make room, get the rights, or change the values: `datamill show COMPONENT --values`.",
        )
    return CHANGES if plan.has_changes else 0
