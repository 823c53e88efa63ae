"""``datamill data branch``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.output import as_json_option, print_columns, print_json

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where


@click.command(help=VERBS["branch"])
@click.argument("repo")
@click.argument("name", required=False)
@click.option("--at", help="Where a new branch begins [default: main].")
@click.option("--empty", is_flag=True, help="A new branch begins with nothing.")
@click.option("--delete", is_flag=True, help="Delete the branch; its commits stay until they are collected.")
@as_json_option
@click.pass_obj
def command(
    where: Where, repo: str, name: str | None, *, at: str | None, empty: bool, delete: bool, as_json: bool
) -> None:
    """Nothing is copied."""
    from datamill_infra.cli.data.opening import opened

    if sum([bool(at), empty, delete]) > 1:
        raise click.UsageError("--at, --empty and --delete exclude each other.")
    with opened(where) as store:
        found = store.repo(repo)
        if name is None:
            branches = {branch: head.id if head else None for branch, head in found.branches.items()}
            if as_json:
                print_json(branches)
            else:
                print_columns(("branch", "head"), branches.items())
        elif delete:
            found.delete_branch(name)
            click.echo(f"Deleted {repo}@{name}.")
        else:
            found.create_branch(name, None if empty else at or "main")
            click.echo(f"Made {repo}@{name}.")
