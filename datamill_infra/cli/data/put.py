"""``datamill data put``."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.output import as_json_option, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    from datamill_pipelines.datasets.seen import SeenFiles

    ref = parse_ref(target)
    files = [file for source in sources for file in _files(source)]
    said = message or ", ".join(source.name for source in sources)
    with (
        SeenFiles(_seen_from(sources)) as seen,
        opened(where) as store,
        store.repo(ref.repo).commit(ref.revision, message=said, author=getpass.getuser()) as transaction,
    ):
        for path, file in files:
            with _readable(file):
                seen.put(transaction, f"{prefix.strip('/')}/{path}" if prefix else path, file)
    made = transaction.commit
    if as_json:
        print_json(commit_facts(made) if made else None)
    elif made is None:
        click.echo("Nothing has changed; no commit was made.")
    else:
        click.echo(f"{made.repo}@{made.short_id} on {made.branch}: {len(files)} files put.")


@contextlib.contextmanager
def _readable(source: str) -> Iterator[None]:
    """Tell an error of the user's own file from one of the store, which has told its own before."""
    try:
        yield
    except OSError as error:
        if error.filename is None or os.path.abspath(error.filename) != os.path.abspath(source):  # noqa: PTH100
            raise
        raise click.BadParameter(
            f"{source} cannot be read: {error.strerror}. Nothing was committed.", param_hint="SOURCES"
        ) from None


def _seen_from(sources: tuple[Path, ...]) -> Path:
    """Where it is kept what these sources held when they were last put, by whatever command and to whatever repo."""
    from datamill_infra.drivers.embedded.artifacts import cache_root

    named = "\0".join(os.path.abspath(source) for source in sources)  # noqa: PTH100 (links stay as they are written)
    return cache_root() / "seen" / f"{hashlib.sha256(named.encode()).hexdigest()[:32]}.json"


def _files(source: Path) -> list[tuple[str, str]]:
    """Paths in the repo with the files that go there, in order."""
    if not source.is_dir():
        return [(source.name, str(source))]
    found = [f"{folder}/{name}" for folder, _, names in os.walk(source, onerror=_unlistable) for name in names]
    start = len(str(source)) + 1
    return [(f"{source.resolve().name}/{file[start:]}", file) for file in sorted(found) if os.path.isfile(file)]  # noqa: PTH113 (a fifth of a Path's cost)


def _unlistable(error: OSError) -> None:
    """A folder that cannot be listed is no empty folder."""
    raise click.BadParameter(f"{error.filename} cannot be listed: {error.strerror}.", param_hint="SOURCES")
