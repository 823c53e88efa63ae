"""Commits, tables and transfers as lines and as JSON."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pyarrow as pa

    from datamill_pipelines.datasets import Commit
    from datamill_pipelines.datasets.refs import Ref
    from datamill_pipelines.datasets.transfer import Pushed


def commit_facts(commit: Commit) -> dict[str, object]:
    """Everything that a commit says."""
    return {
        "id": commit.id,
        "ref": commit.ref,
        "repo": commit.repo,
        "branch": commit.branch,
        "parents": list(commit.parents),
        "provenance": [asdict(source) for source in commit.provenance],
        "positions": {key: list(reached) for key, reached in commit.positions.items()},
        "tree": commit.tree,
        "files": commit.files,
        "bytes": commit.size,
        "run_id": commit.run_id,
        "code_version": commit.code_version,
        "author": commit.author,
        "message": commit.message,
        "metadata": dict(commit.metadata),
        "created_at": commit.created_at.isoformat(),
    }


COLUMN_WIDTH = 13
"""Characters of a terminal that a column needs to be read; narrower ones break words over lines."""


def print_rows(table: pa.Table) -> None:
    """Print all rows of a table, and as many of its columns as the terminal has room for."""
    import polars as pl

    width = shutil.get_terminal_size().columns
    shown = min(table.num_columns, max(2, width // COLUMN_WIDTH))
    with pl.Config(tbl_rows=-1, tbl_cols=shown, tbl_width_chars=width, fmt_str_lengths=60):
        click.echo(pl.from_arrow(table))
    if shown < table.num_columns:
        click.echo(f"{shown} of {table.num_columns} columns fit; `--json` prints all, a wider terminal more.", err=True)


def transfer_line(branch: Ref, pushed: Pushed, there: str) -> str:
    """What a push or a pull did, in one sentence.

    Args:
        branch: that was copied.
        pushed: what was copied.
        there: address of the store that has it now.
    """
    if not pushed.commits:
        return f"{there} has everything of {branch} already; nothing was copied."
    return (
        f"Copied {len(pushed.commits)} commits of {branch} to {there}: {pushed.objects} objects, {size(pushed.size)};"
        f" it is at {pushed.commits[-1][:12]} there now."
    )


def size(count: int) -> str:
    """Bytes in a unit that gives three or four digits."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004  (decimal units)
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
