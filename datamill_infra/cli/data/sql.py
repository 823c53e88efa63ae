"""``datamill data sql``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.output import as_json_option, print_json

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where


@click.command(
    help=VERBS["sql"]
    + '\n\nTables are quoted names of commits, with a folder if wanted: "select carrier, avg(arr_delay) from'
    " 'raw/flights@main/2013/01/' group by 1\"."
)
@click.argument("statement")
@click.option("-n", "--rows", default=100, show_default=True, type=click.IntRange(1), help="Rows shown (--json: all).")
@as_json_option
@click.pass_obj
def command(where: Where, statement: str, *, rows: int, as_json: bool) -> None:
    """DuckDB sees the files of these commits, and nothing else."""
    from datamill_infra.cli.data.opening import opened
    from datamill_infra.cli.data.presenting import print_rows

    with opened(where) as store:
        table = store.sql(statement)
    if as_json:
        print_json(table.to_pylist())
        return
    print_rows(table.slice(0, rows))
    if table.num_rows > rows:
        click.echo(f"{table.num_rows - rows:,} more rows; -n {table.num_rows} shows all.")
