"""Commits as lines and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datamill_pipelines.datasets import Commit


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


def size(count: int) -> str:
    """Bytes in a unit that gives three or four digits."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004  (decimal units)
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
