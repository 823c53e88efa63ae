"""``datamill data repos``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.output import as_json_option, print_columns, print_json

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where


@click.command(help=VERBS["repos"])
@as_json_option
@click.pass_obj
def command(where: Where, *, as_json: bool) -> None:
    """One line per branch."""
    from datamill_infra.cli.data.opening import opened
    from datamill_infra.cli.data.presenting import size

    with opened(where) as store:
        repos = {name: store.repo(name) for name in store.repos()}
        heads = {name: repo.branches for name, repo in repos.items()}
    if as_json:
        print_json(
            [
                {
                    "name": name,
                    "description": repo.description,
                    "branches": {branch: head.id if head else None for branch, head in heads[name].items()},
                }
                for name, repo in repos.items()
            ]
        )
        return
    print_columns(
        ("repo", "branch", "head", "files", "size", "description"),
        (
            (name, branch, head.short_id, head.files, size(head.size), repo.description)
            if head
            else (name, branch, "", 0, size(0), repo.description)
            for name, repo in repos.items()
            for branch, head in (heads[name] or {"": None}).items()
        ),
    )
