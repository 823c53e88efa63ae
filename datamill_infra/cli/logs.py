"""``datamill logs``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.root import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLLOW_SECONDS = 0.25


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
    files = [Path(file) for file in driver.report(component).log_files]
    for line in driver.logs(component, lines):
        click.echo(line)
    if not files and deployment.provider(component) == "external":
        click.echo(f"{component} writes no log here; it is external.", err=True)
    elif not files and follow:
        click.echo("Following is for logs on this machine; run the command again to see what was added.", err=True)
    elif follow:
        _follow(files)


def _follow(files: Sequence[Path]) -> None:
    positions = {file: file.stat().st_size if file.exists() else 0 for file in files}
    while True:
        for file in files:
            if not file.exists():
                continue
            if file.stat().st_size < positions[file]:  # rotated
                positions[file] = 0
            with file.open("rb") as stream:
                stream.seek(positions[file])
                written = stream.read()
                positions[file] = stream.tell()
            if written:
                click.echo(written.decode("utf-8", errors="replace"), nl=False)
        time.sleep(FOLLOW_SECONDS)
