"""``datamill data put``."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.output import as_json_option, print_json

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where


@click.command(help=VERBS["put"] + "\n\nTARGET is a repo or repo@branch; a directory is put with everything in it.")
@click.argument("target")
@click.argument("sources", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--to", "prefix", default="", help="Directory in the repo that the files go to.")
@click.option("-m", "--message", default="", help="Why.")
@as_json_option
@click.pass_obj
def command(where: Where, target: str, sources: tuple[Path, ...], *, prefix: str, message: str, as_json: bool) -> None:
    """All files in one commit, or none."""
    from datamill_infra.cli.data.opening import opened
    from datamill_infra.cli.data.presenting import commit_facts
    from datamill_pipelines.datasets.refs import parse_ref

    ref = parse_ref(target)
    files = [file for source in sources for file in _files(source)]
    said = message or ", ".join(source.name for source in sources)
    with (
        opened(where) as store,
        store.repo(ref.repo).commit(ref.revision, message=said, author=getpass.getuser()) as transaction,
    ):
        for path, file in files:
            transaction.put(f"{prefix.strip('/')}/{path}" if prefix else path, file)
    made = transaction.commit
    if as_json:
        print_json(commit_facts(made) if made else None)
    elif made is None:
        click.echo("Nothing has changed; no commit was made.")
    else:
        click.echo(f"{made.repo}@{made.short_id} on {made.branch}: {len(files)} files put.")


def _files(source: Path) -> list[tuple[str, Path]]:
    if source.is_dir():
        return [
            (f"{source.name}/{file.relative_to(source).as_posix()}", file)
            for file in sorted(source.rglob("*"))
            if file.is_file()
        ]
    return [(source.name, source)]
