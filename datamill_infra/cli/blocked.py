"""What is known about the components that block a run: since when, why, and the command that repairs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.status import health, since
from datamill_infra.drivers.inspection import inspect
from datamill_infra.drivers.rollout import Rollout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datamill_infra.cli.reports import RunReport
    from datamill_infra.model.deployment import Deployment


def explain_blocked(deployment: Deployment, report: RunReport) -> None:
    """Print a paragraph per blocking component on standard error.

    The run has recorded what its probe found; the drivers know the past of the processes.

    Args:
        deployment: in which it was run.
        report: of a run that was blocked.
    """
    recorded = next((failure.facts.get("since", "") for _, failure in report.failures), "")
    explain(deployment, report.blocked_by, recorded)


def explain(deployment: Deployment, components: Iterable[str], recorded: str = "") -> None:
    """Print a paragraph per component that blocks, on standard error.

    Args:
        deployment: of the components.
        components: that are not available.
        recorded: when pipelines last saw them, in words.
    """
    known = [name for name in components if name in deployment.resolution.components]
    for name, one in inspect(Rollout(deployment), known).items():
        why = one.error.reason if one.error else one.change.reason
        # A component that was taken down has no trouble on record; when a pipeline last saw it is.
        when = since(one) if one.failing_since or not recorded else recorded
        click.echo(f"Blocked by {name}: {health(one)}, {when}.", err=True)
        click.echo(f"  why:    {' '.join(filter(None, (why, one.report.story)))}", err=True)
        click.echo(f"  repair: datamill up -c {name}", err=True)
