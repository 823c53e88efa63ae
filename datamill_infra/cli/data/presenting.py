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


def print_rows(table: pa.Table) -> None:
    """Print a table, all of it, as wide as the terminal."""
    import polars as pl

    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=shutil.get_terminal_size().columns, fmt_str_lengths=60):
        click.echo(pl.from_arrow(table))


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
