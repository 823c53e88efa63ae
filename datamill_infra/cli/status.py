"""``datamill status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.clusters import context_option
from datamill_infra.cli.output import as_json_option, print_columns, print_json
from datamill_infra.cli.root import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_infra.drivers.inspection import Inspection

STYLES = {"healthy": "green", "unhealthy": "red", "absent": "yellow"}


@click.command(help=COMMANDS["status"] + "\n\nExit code 1 when a component is not healthy or not in sync.")
@context_option
@as_json_option
@click.pass_obj
def command(home: str | None, *, context: str | None, as_json: bool) -> int:
    """Print a line per component, and for each that is not healthy since when, why, and what repairs it."""
    from datamill_infra.cli.deployments import open_deployment
    from datamill_infra.cli.revival import revive
    from datamill_infra.drivers.inspection import inspect
    from datamill_infra.drivers.lock import current_holder
    from datamill_infra.drivers.rollout import Rollout

    deployment = open_deployment(home, context=context)
    rollout = Rollout(deployment)
    revive(rollout)
    found = inspect(rollout)
    holder = current_holder(deployment)
    fine = all(one.healthy and not one.change.differences for one in found.values())
    if as_json:
        print_json(
            {
                "home": str(deployment.home),
                "flavour": deployment.flavour,
                "target": deployment.target,
                "locked_by": str(holder) if holder else None,
                "components": {name: _facts(one) for name, one in found.items()},
            }
        )
        return 0 if fine else 1
    where = f"{deployment.target} (context {deployment.context})" if deployment.context else deployment.target
    click.echo(f"{deployment.flavour} on {where}, in {deployment.home}")
    if holder:
        click.echo(f"Being changed by {holder}.")
    print_columns(
        ("component", "state", "health", "address", "says"),
        ((name, one.change.state, health(one), _addresses(one), _says(one)) for name, one in found.items()),
    )
    for name, one in found.items():
        if not one.healthy:
            _explain(name, one)
    return 0 if fine else 1


def health(one: Inspection) -> str:
    """One word."""
    if one.healthy:
        return "healthy"
    return "unhealthy" if one.error else "absent"


def since(one: Inspection) -> str:
    """When the trouble began, in words."""
    return f"since {one.failing_since:%Y-%m-%d %H:%M:%S} UTC" if one.failing_since else "since before it was recorded"


def _facts(one: Inspection) -> Mapping[str, object]:
    return {
        "state": one.change.state.value,
        "health": health(one),
        "provider": one.provider,
        "addresses": dict(one.report.addresses),
        "summary": "; ".join(seen.summary for seen in one.observations.values()),
        "since": one.failing_since,
        "cause": one.error.reason if one.error else None,
        "repair": None if one.healthy else f"datamill up -c {one.component}",
        "story": one.report.story,
        "processes": [
            {"name": p.name, "state": p.state, "pid": p.pid, "since": p.since, "restarts": p.restarts}
            for p in one.report.processes
        ],
        "applied_at": one.report.applied_at,
    }


def _addresses(one: Inspection) -> str:
    return ", ".join(one.report.addresses.values())


def _says(one: Inspection) -> str:
    told = [seen.summary for seen in one.observations.values()]
    if one.report.story:
        told.append(one.report.story)
    return "; ".join(told)


def _explain(name: str, one: Inspection) -> None:
    if one.error is None:
        click.echo(f"\n{name} is absent. {one.change.reason}\n  repair: datamill up -c {name}")
        return
    click.echo(f"\n{name} is unhealthy {since(one)}: {one.error.reason}")
    if one.report.story:
        click.echo(f"  {one.report.story}")
    click.echo(f"  repair: datamill up -c {name}")
