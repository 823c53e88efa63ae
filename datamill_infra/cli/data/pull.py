"""``datamill data pull``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.output import as_json_option, print_json

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where


@click.command(
    help=VERBS["pull"]
    + "\n\nBRANCH is repo@branch, or a repo, which means its branch main. FROM is file:///directory, s3://bucket/prefix"
    " (keys and endpoint from the AWS_* variables), or the directory of another deployment."
)
@click.argument("branch")
@click.argument("source", metavar="FROM")
@as_json_option
@click.pass_obj
def command(where: Where, branch: str, source: str, *, as_json: bool) -> None:
    """Commits keep their ids; the branch here only moves forward."""
    from datamill_infra.cli.data.opening import opened, opened_at
    from datamill_infra.cli.data.presenting import transfer_line
    from datamill_pipelines.datasets.refs import parse_ref

    ref = parse_ref(branch)
    with opened(where) as store, opened_at(source) as other:
        pushed = other.repo(ref.repo).push(store, ref.written)
        there = store.url
    if as_json:
        print_json(asdict(pushed))
    else:
        click.echo(transfer_line(ref, pushed, there))
