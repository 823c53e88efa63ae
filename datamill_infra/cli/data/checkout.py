"""``datamill data checkout``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where


@click.command(help=VERBS["checkout"])
@click.argument("ref")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--prefix", default="", help="Only the files below this path.")
@click.pass_obj
def command(where: Where, ref: str, directory: Path, *, prefix: str) -> None:
    """The directory must be empty, or not exist."""
    from datamill_infra.cli.data.opening import opened

    with opened(where) as store:
        commit = store.commit_view(ref).commit
        count = store.repo(commit.repo).checkout(commit.id, directory, prefix)
    click.echo(f"{count} files of {commit.repo}@{commit.short_id} are in {directory}.")
