"""``datamill cluster status``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.cluster import VERBS, name_argument, provider_option
from datamill_infra.cli.output import as_json_option, print_json

if TYPE_CHECKING:
    from datamill_infra.clusters.place import Place


@click.command(help=VERBS["status"])
@name_argument
@provider_option
@as_json_option
@click.pass_context
def command(ctx: click.Context, name: str, kind: str, *, as_json: bool, place: Place) -> None:
    """Ask and show the answers."""
    from datamill_infra.cli.cluster.presenting import show
    from datamill_infra.clusters.providers import provider

    status = provider(kind, place).status(name)
    if as_json:
        print_json(asdict(status))
    else:
        show(status)
    ctx.exit(0 if status.state == "ready" else 1)
