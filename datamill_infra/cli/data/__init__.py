"""``datamill data``: versioned datasets on the command line, one file per verb."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data.opening import STORE_HELP
from datamill_infra.cli.root import COMMANDS, LazyGroup

if TYPE_CHECKING:
    from collections.abc import Mapping

VERBS: Mapping[str, str] = {
    "repos": "List the repos with their branches.",
    "create-repo": "Make a repo.",
    "put": "Commit files to a branch.",
    "log": "List the commits of a branch, newest first.",
    "ls": "List the files of a commit.",
    "diff": "List the files that differ between two commits.",
    "cat": "Print a file of a commit; a table as rows.",
    "sql": "Run a query whose tables are commits.",
    "checkout": "Write the files of a commit into a directory.",
    "branch": "List, make or delete branches.",
    "tag": "List, make or delete tags.",
    "rollback": "Let a branch point to an earlier commit, by a new entry.",
    "merge": "Merge a branch into another, file by file; conflicts are named.",
    "push": "Copy a branch to another store.",
    "pull": "Copy a branch from another store.",
    "fsck": "Read everything and name what is damaged or missing (exit code 1 when something is).",
    "gc": "Delete what no branch or tag reaches.",
}


@click.group(
    cls=LazyGroup,
    package=__name__,
    summaries=VERBS,
    help=COMMANDS["data"]
    + "\n\nA commit is named repo@branch, repo@tag, repo@commit (or its beginning), or repo@branch~2;"
    " raw/flights means raw/flights@main.",
)
@click.option("--store", metavar="STORE", help=f"A store other than the deployment's: {STORE_HELP}.")
@click.pass_context
def command(ctx: click.Context, store: str | None) -> None:
    """Keep where the store is; it is opened by the verb."""
    ctx.obj = (ctx.obj, store)
