"""How the state of a cluster is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.output import print_columns

if TYPE_CHECKING:
    from datamill_infra.clusters.provider import ClusterStatus


def show(status: ClusterStatus) -> None:
    """Print the state and every answer."""
    click.echo(f"{status.context}: {status.state}")
    if status.checks:
        print_columns(
            ("asked", "", "answer"),
            ((check.subject, "ok" if check.passed else "no", check.answer) for check in status.checks),
        )
