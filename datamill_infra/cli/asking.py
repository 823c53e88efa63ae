"""Questions before what cannot be undone."""

from __future__ import annotations

import sys

import click


def ask(question: str, consequence: str) -> None:
    """Go on only if the user says yes; otherwise the command ends with 1, and nothing was done.

    Args:
        question: to be answered with yes or no.
        consequence: what will happen, a clause; told where there is no terminal to ask at.

    Raises:
        UsageError: there is no terminal.
        Exit: the user said no.
    """
    if not sys.stdin.isatty():
        raise click.UsageError(f"{consequence}. Confirm with --yes.")
    if not click.confirm(question, err=True):
        click.echo("Nothing was done.", err=True)
        raise click.exceptions.Exit(1)
