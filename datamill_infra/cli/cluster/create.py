"""``datamill cluster create``."""

from __future__ import annotations

import click

from datamill_infra.cli.cluster import VERBS, name_argument, provider_option


@click.command(help=VERBS["create"])
@name_argument
@provider_option
def command(name: str, kind: str) -> None:
    """Make it, telling each step, and say how to use it."""
    from datamill_infra.cli.cluster.presenting import show
    from datamill_infra.clusters.providers import provider

    status = provider(kind).create(name, notify=lambda step: click.echo(step, err=True))
    show(status)
    click.echo(f"For kubectl and helm: datamill cluster kubeconfig {name} --provider {kind} --output FILE", err=True)
