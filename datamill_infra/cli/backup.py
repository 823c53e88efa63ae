"""``datamill backup``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from datamill_infra.cli.clusters import context_option
from datamill_infra.cli.output import as_json_option, print_json
from datamill_infra.cli.root import COMMANDS


@click.command(
    help=COMMANDS["backup"] + "\n\nFOLDER is a new one. Secrets are not in it: they stay with the deployment."
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("-c", "--component", "parts", multiple=True, help="Only postgres, or only datasets.")
@context_option
@as_json_option
@click.pass_obj
def command(home: str | None, folder: Path, parts: tuple[str, ...], *, context: str | None, as_json: bool) -> None:
    """Write it; the deployment runs, and may be at work."""
    from datamill_infra.cli.backups import make, possible
    from datamill_infra.cli.deployments import open_deployment
    from datamill_infra.model.errors import UnknownNameError

    deployment = open_deployment(home, context=context)
    there = possible(deployment)
    for name in parts:
        if name not in there:
            raise UnknownNameError("part of this deployment that can be backed up", name, there)
    made = make(deployment, folder, parts or there, lambda step: click.echo(step, err=True))
    if as_json:
        print_json(asdict(made))
        return
    if made.postgres:
        click.echo(f"postgres: {len(made.postgres)} databases, {sum(one['bytes'] for one in made.postgres):,} bytes")
    if made.datasets:
        click.echo(f"datasets: {made.datasets['objects']} objects, {made.datasets['size']:,} bytes")
    click.echo(f"The backup is in {folder}.")
