"""``datamill data ls``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.output import as_json_option, print_columns, print_json

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where


@click.command(help=VERBS["ls"])
@click.argument("ref")
@click.argument("prefix", default="")
@as_json_option
@click.pass_obj
def command(where: Where, ref: str, prefix: str, *, as_json: bool) -> None:
    """In order of their paths."""
    from datamill_infra.cli.data.opening import opened
    from datamill_infra.cli.data.presenting import size

    with opened(where) as store:
        files = list(store.commit_view(ref).files(prefix))
    if as_json:
        print_json(
            [
                {
                    "path": file.path,
                    "bytes": file.size,
                    "digest": file.digest,
                    "logical": file.logical_digest,
                    "rows": file.rows,
                }
                for file in files
            ]
        )
        return
    print_columns(
        ("size", "rows", "digest", "path"),
        ((size(file.size), file.rows, file.digest[:12], file.path) for file in files),
    )
