"""``datamill data merge``."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.output import as_json_option, print_json

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where


@click.command(
    help=VERBS["merge"]
    + "\n\nSOURCE is repo@branch (or a tag or commit), INTO a branch of the same repo. Files that both sides changed"
    " differently are conflicts: they are named, and nothing is written."
)
@click.argument("source")
@click.argument("into", default="main")
@click.option("-m", "--message", default="", help="Why.")
@as_json_option
@click.pass_obj
def command(where: Where, source: str, into: str, *, message: str, as_json: bool) -> None:
    """Three-way, file by file."""
    from datamill_infra.cli.data.opening import opened
    from datamill_infra.cli.data.presenting import commit_facts
    from datamill_infra.model.errors import ConfigurationError
    from datamill_pipelines.datasets.refs import parse_ref

    ref = parse_ref(source)
    named, _, branch = into.rpartition("@")
    if named not in {"", ref.repo}:
        raise ConfigurationError(
            f"{ref.repo} and {named} are different repos.", instruction="Merge into a branch of the same repo."
        )
    with opened(where) as store:
        made = store.repo(ref.repo).merge(ref.written, branch, message=message, author=getpass.getuser())
    if as_json:
        print_json(commit_facts(made) if made else None)
    elif made is None:
        click.echo(f"{ref.repo}@{branch} has everything of {ref} already; nothing was written.")
    else:
        click.echo(f"Merged {ref} into {ref.repo}@{branch}, which is at {made.short_id} now.")
