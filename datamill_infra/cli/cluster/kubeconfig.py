"""``datamill cluster kubeconfig``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.cluster import VERBS, name_argument, provider_option

if TYPE_CHECKING:
    from datamill_infra.clusters.place import Place


@click.command(help=VERBS["kubeconfig"])
@name_argument
@provider_option
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it here, readable by nobody else."
)
def command(name: str, kind: str, *, output: Path | None, place: Place) -> None:
    """Print or write it; it holds the administrator's key."""
    from datamill_infra.clusters.providers import provider
    from datamill_infra.drivers.files import write_private

    text = provider(kind, place).kubeconfig(name)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_private(output, text)
