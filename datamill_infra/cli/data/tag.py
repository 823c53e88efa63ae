"""``datamill data tag``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.output import as_json_option, print_columns, print_json

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where


@click.command(help=VERBS["tag"])
@click.argument("repo")
@click.argument("name", required=False)
@click.option("--at", default="main", show_default=True, help="The commit that gets the name.")
@click.option("--delete", is_flag=True, help="Delete the tag.")
@as_json_option
@click.pass_obj
def command(where: Where, repo: str, name: str | None, *, at: str, delete: bool, as_json: bool) -> None:
    """A tag does not move."""
    from datamill_infra.cli.data.opening import opened

    with opened(where) as store:
        found = store.repo(repo)
        if name is None:
            tags = {tag: commit.id for tag, commit in found.tags.items()}
            if as_json:
                print_json(tags)
            else:
                print_columns(("tag", "commit"), tags.items())
        elif delete:
            found.delete_tag(name)
            click.echo(f"Deleted the tag {repo}@{name}.")
        else:
            found.create_tag(name, at)
            click.echo(f"Tagged {repo}@{at} as {name}.")
