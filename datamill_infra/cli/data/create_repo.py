"""``datamill data create-repo``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where


@click.command(help=VERBS["create-repo"])
@click.argument("repo")
@click.option("--description", default="", help="One sentence.")
@click.pass_obj
def command(where: Where, repo: str, description: str) -> None:
    """A name that is taken is refused."""
    from datamill_infra.cli.data.opening import opened

    with opened(where) as store:
        store.create_repo(repo, description)
    click.echo(f"Made {repo}.")
