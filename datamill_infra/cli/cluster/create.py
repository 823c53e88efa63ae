"""``datamill cluster create``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.cluster import VERBS, name_argument, provider_option

if TYPE_CHECKING:
    from datamill_infra.clusters.place import Place


@click.command(help=VERBS["create"])
@name_argument
@provider_option
def command(name: str, kind: str, *, place: Place) -> None:
    """Make it, telling each step, and say how to use it."""
    from datamill_infra.cli.cluster.presenting import show
    from datamill_infra.clusters.providers import provider

    status = provider(kind, place).create(name, notify=lambda step: click.echo(step, err=True))
    show(status)
    where = "".join(f" --{part} {getattr(place, part)}" for part in sorted(place.said))
    click.echo(
        f"For kubectl and helm: datamill cluster kubeconfig {name} --provider {kind}{where} --output FILE", err=True
    )
