"""``datamill data diff``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.output import as_json_option, print_json

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where
    from datamill_pipelines.datasets import Commit, DatasetStore
    from datamill_pipelines.datasets.diff import FileChange
    from datamill_pipelines.datasets.rows import RowDiff

SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


@click.command(help=VERBS["diff"] + "\n\nNEW is of the same repo; without it, OLD is compared with its parent.")
@click.argument("old")
@click.argument("new", required=False)
@click.option("--rows", "by_rows", is_flag=True, help="Compare the rows of Parquet files, wherever they lie.")
@click.option("--prefix", default="", help="Only the files below this path.")
@click.option("-n", "--limit", default=20, show_default=True, type=click.IntRange(1), help="Rows shown (--json: all).")
@as_json_option
@click.pass_obj
def command(where: Where, old: str, new: str | None, *, by_rows: bool, prefix: str, limit: int, as_json: bool) -> None:
    """Only what differs; equal directories are not even read."""
    from datamill_infra.cli.data.opening import opened

    with opened(where) as store:
        left, right = _commits(store, old, new)
        repo = store.repo(left.repo)
        changes = [change for change in repo.diff(left.id, right.id) if change.path.startswith(prefix)]
        rows = repo.diff_rows(left.id, right.id, prefix) if by_rows else None
    others = [change for change in changes if not change.path.endswith(".parquet")] if by_rows else changes
    if as_json:
        files = [_file_facts(change) for change in others]
        print_json(files if rows is None else _row_facts(rows) | {"files": files})
        return
    if rows is not None:
        _print_rows(rows, limit)
    for change in others:
        sign, colour = SIGNS[change.kind]
        click.secho(f"{sign} {change.path}{' (not a table)' if by_rows else ''}", fg=colour)
    if not others and (rows is None or not (rows.added.num_rows or rows.removed.num_rows)):
        click.echo("No difference." if not changes else "No difference in rows; the files that hold them differ.")


def _commits(store: DatasetStore, old: str, new: str | None) -> tuple[Commit, Commit]:
    from datamill_infra.model.errors import ConfigurationError

    left = store.commit_view(old).commit
    if new is None:
        return store.repo(left.repo).resolve(f"{left.id}~1"), left
    right = store.commit_view(new if "@" in new else f"{left.repo}@{new}").commit
    if right.repo != left.repo:
        raise ConfigurationError(
            f"{left.repo} and {right.repo} are different repos.", instruction="Compare two commits of one repo."
        )
    return left, right


def _file_facts(change: FileChange) -> dict[str, object]:
    return {
        "kind": change.kind,
        "path": change.path,
        "old": change.old.digest if change.old else None,
        "new": change.new.digest if change.new else None,
    }


def _row_facts(rows: RowDiff) -> dict[str, object]:
    return {"added": rows.added.to_pylist(), "removed": rows.removed.to_pylist()}


def _print_rows(rows: RowDiff, limit: int) -> None:
    from datamill_infra.cli.data.presenting import print_rows

    for kind, table in (("removed", rows.removed), ("added", rows.added)):
        if table.num_rows:
            sign, colour = SIGNS[kind]
            shown = f", the first {limit}" if table.num_rows > limit else ""
            click.secho(f"{sign} {table.num_rows:,} rows {kind}{shown}", fg=colour)
            print_rows(table.slice(0, limit))
