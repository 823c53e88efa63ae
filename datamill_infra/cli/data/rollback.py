"""``datamill data rollback``."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where


@click.command(help=VERBS["rollback"] + "\n\nTARGET is repo@branch, TO a commit of it, e.g. main~1.")
@click.argument("target")
@click.argument("to")
@click.option("-m", "--message", default="", help="Why.")
@click.pass_obj
def command(where: Where, target: str, to: str, *, message: str) -> None:
    """Nothing is rewritten: rolling forward again is a rollback to the later commit."""
    from datamill_infra.cli.data.opening import opened
    from datamill_pipelines.datasets.refs import parse_ref

    ref = parse_ref(target)
    with opened(where) as store:
        commit = store.repo(ref.repo).rollback(
            ref.revision, to.partition("@")[2] or to, message=message, author=getpass.getuser()
        )
    click.echo(f"{ref.repo}@{ref.revision} is at {commit.short_id} now.")
