"""``datamill logs``."""

from __future__ import annotations

import click

from datamill_infra.cli.root import COMMANDS


@click.command(help=COMMANDS["logs"])
@click.argument("component")
@click.option("-n", "--lines", default=50, show_default=True, type=click.IntRange(0), help="How many.")
@click.option("-f", "--follow", is_flag=True, help="Go on printing what is written, until Ctrl-C.")
@click.pass_obj
def command(home: str | None, component: str, lines: int, *, follow: bool) -> None:
    """Print a component's log; of each of its processes when it has several."""
    from datamill_infra.cli.deployments import open_deployment
    from datamill_infra.drivers.rollout import Rollout

    deployment = open_deployment(home)
    deployment.spec(component)
    driver = Rollout(deployment).driver(component)
    for line in driver.logs(component, lines):
        click.echo(line)
    if not follow and deployment.provider(component) == "external":
        click.echo(f"{component} writes no log here; it is external.", err=True)
    for line in driver.follow(component) if follow else ():
        click.echo(line)
