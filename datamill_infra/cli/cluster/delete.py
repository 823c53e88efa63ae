"""``datamill cluster delete``."""

from __future__ import annotations

import click

from datamill_infra.cli.cluster import VERBS, name_argument, provider_option


@click.command(help=VERBS["delete"])
@name_argument
@provider_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(name: str, kind: str, *, yes: bool) -> None:
    """Remove it, after a question: its volumes go too."""
    from datamill_infra.clusters.providers import provider

    chosen = provider(kind)
    if not yes:
        click.confirm(f"Remove the cluster {chosen.context(name)} with all its volumes?", abort=True)
    chosen.delete(name, notify=lambda step: click.echo(step, err=True))
