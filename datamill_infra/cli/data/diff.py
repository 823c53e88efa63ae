"""``datamill data diff``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.output import as_json_option, print_json

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where

SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


@click.command(help=VERBS["diff"] + "\n\nNEW is of the same repo; without it, OLD is compared with its parent.")
@click.argument("old")
@click.argument("new", required=False)
@as_json_option
@click.pass_obj
def command(where: Where, old: str, new: str | None, *, as_json: bool) -> None:
    """Only what differs; equal directories are not even read."""
    from datamill_infra.cli.data.opening import opened
    from datamill_infra.model.errors import ConfigurationError

    with opened(where) as store:
        left = store.commit_view(old).commit
        repo = store.repo(left.repo)
        if new is None:
            right, left = left, repo.resolve(f"{left.id}~1")
        else:
            right = store.commit_view(new if "@" in new else f"{left.repo}@{new}").commit
        if right.repo != left.repo:
            raise ConfigurationError(
                f"{left.repo} and {right.repo} are different repos.", instruction="Compare two commits of one repo."
            )
        changes = repo.diff(left.id, right.id)
    if as_json:
        print_json(
            [
                {
                    "kind": change.kind,
                    "path": change.path,
                    "old": change.old.digest if change.old else None,
                    "new": change.new.digest if change.new else None,
                }
                for change in changes
            ]
        )
        return
    for change in changes:
        sign, colour = SIGNS[change.kind]
        click.secho(f"{sign} {change.path}", fg=colour)
    if not changes:
        click.echo("No difference.")
