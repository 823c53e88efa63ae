"""``datamill cluster delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.asking import ask
from datamill_infra.cli.cluster import VERBS, name_argument, provider_option

if TYPE_CHECKING:
    from datamill_infra.clusters.place import Place


@click.command(help=VERBS["delete"])
@name_argument
@provider_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(name: str, kind: str, *, yes: bool, place: Place) -> None:
    """Remove it, after a question: its volumes go too."""
    from datamill_infra.clusters.providers import provider

    chosen = provider(kind, place)
    what = f"the cluster {chosen.context(name)} with all its volumes"
    if not yes:
        ask(f"Remove {what}?", f"This removes {what}")
    chosen.delete(name, notify=lambda step: click.echo(step, err=True))
