"""How results are printed: JSON for machines, aligned columns for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_json(data: object) -> None:
    """Print data as indented JSON; dates and paths as text."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def print_columns(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print aligned columns; the last one is not padded, so nothing is ever cut.

    Args:
        heads: column titles.
        rows: cells; ``None`` is printed as nothing.
    """
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not cells:
        click.echo("(none)")
        return
    widths = [max(len(head), *(len(row[index]) for row in cells)) for index, head in enumerate(heads)]
    click.secho(_line([head.upper() for head in heads], widths), dim=True)
    for row in cells:
        click.echo(_line(row, widths))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True)]
    return "  ".join([*padded, row[-1]]).rstrip()
