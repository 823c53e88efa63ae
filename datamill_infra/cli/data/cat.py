"""``datamill data cat``."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.output import as_json_option, print_json

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where


@click.command(help=VERBS["cat"] + "\n\nWithout PATH, or with a directory: the rows of all its tables.")
@click.argument("ref")
@click.argument("path", default="")
@click.option("-n", "--rows", default=20, show_default=True, type=click.IntRange(1), help="Rows of a table.")
@click.option("--raw", is_flag=True, help="The bytes of a table instead of its rows.")
@as_json_option
@click.pass_obj
def command(where: Where, ref: str, path: str, *, rows: int, raw: bool, as_json: bool) -> None:
    """Checked against its digest before it is printed."""
    from datamill_infra.cli.data.opening import opened
    from datamill_infra.cli.data.presenting import print_rows

    with opened(where) as store:
        view = store.commit_view(ref)
        if raw or (path and not path.endswith((".parquet", "/")) and not as_json):
            with view.open(path) as stream:
                shutil.copyfileobj(stream, sys.stdout.buffer)
            return
        table = view.table(path).slice(0, rows)
    if as_json:
        print_json(table.to_pylist())
        return
    print_rows(table)
