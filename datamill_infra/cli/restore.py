"""``datamill restore``."""

from __future__ import annotations

from pathlib import Path

import click

from datamill_infra.cli.asking import ask
from datamill_infra.cli.clusters import context_option
from datamill_infra.cli.root import COMMANDS


@click.command(
    help=COMMANDS["restore"]
    + "\n\nThe deployment must run (`datamill up`), and be empty where something is restored, unless --replace is said."
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-c", "--component", "parts", multiple=True, help="Only postgres, or only datasets.")
@click.option("--replace", is_flag=True, help="Delete what is there; whoever is connected to a database is cut off.")
@click.option("--yes", is_flag=True, help="Do not ask before anything is deleted.")
@context_option
@click.pass_obj
def command(
    home: str | None, folder: Path, parts: tuple[str, ...], *, replace: bool, yes: bool, context: str | None
) -> None:
    """Put it back."""
    from datamill_infra.cli.backups import possible, put_back, read
    from datamill_infra.cli.deployments import open_deployment
    from datamill_infra.model.errors import UnknownNameError

    deployment = open_deployment(home, context=context)
    backup = read(folder)
    there = [name for name in backup.parts if name in possible(deployment)]
    for name in parts:
        if name not in there:
            raise UnknownNameError("part that this backup and this deployment both have", name, there)
    chosen = parts or there
    what = f"{' and '.join(chosen)} of {deployment.home}"
    if replace and not yes:
        ask(f"Delete {what} first?", f"--replace deletes {what}")
    put_back(deployment, folder, chosen, lambda step: click.echo(step, err=True), replace=replace)
    click.echo(f"Restored from {backup.made_at}: {', '.join(chosen)}.")
