"""``datamill data log``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.output import as_json_option, print_columns, print_json

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where


@click.command(help=VERBS["log"])
@click.argument("ref")
@click.option("-n", "--limit", type=click.IntRange(1), help="At most so many.")
@as_json_option
@click.pass_obj
def command(where: Where, ref: str, *, limit: int | None, as_json: bool) -> None:
    """Along first parents."""
    from datamill_infra.cli.data.opening import opened
    from datamill_infra.cli.data.presenting import commit_facts, size

    with opened(where) as store:
        start = store.commit_view(ref).commit
        commits = list(store.repo(start.repo).log(start.id, limit=limit))
    if as_json:
        print_json([commit_facts(commit) for commit in commits])
        return
    print_columns(
        ("commit", "made", "files", "size", "from", "message"),
        (
            (
                commit.short_id,
                f"{commit.created_at:%Y-%m-%d %H:%M:%S}",
                commit.files,
                size(commit.size),
                ", ".join(f"{source.repo}@{source.commit[:12]}" for source in commit.provenance),
                commit.message,
            )
            for commit in commits
        ),
    )
