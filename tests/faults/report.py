"""The bench's table, in the terminal and in a file."""

from __future__ import annotations

from collections.abc import Iterable

from faults.bench import Result
from faults.rows import Row

HEADINGS = ("fault", "tried", "violations", "control caught", "seconds")


def merge(results: Iterable[Result]) -> list[Result]:
    """One result per row, in the order of the rows."""
    merged: dict[str, Result] = {}
    for each in results:
        into = merged.setdefault(each.row, Result(each.row))
        for name in ("tried", "found", "controls", "caught", "seconds"):
            setattr(into, name, getattr(into, name) + getattr(each, name))
    return [merged[row.name] for row in Row if row.name in merged]


def table(results: Iterable[Result]) -> list[str]:
    """Lines of a Markdown table."""
    rows = [HEADINGS, *(_cells(each) for each in merge(results))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def uncontrolled(results: Iterable[Result]) -> list[str]:
    """Rows that were tried without a negative control that was caught."""
    return [Row[each.row].value for each in merge(results) if each.tried and not each.caught]


def _cells(result: Result) -> tuple[str, ...]:
    caught = f"{result.caught} of {result.controls}" if result.controls else "none tried"
    return (Row[result.row].value, f"{result.tried:,}", f"{result.found:,}", caught, f"{result.seconds:.0f}")
