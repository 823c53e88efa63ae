"""Bringing back what a killed supervisor took with it, whatever the command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.drivers.embedded.driver import EmbeddedDriver
from datamill_infra.model.errors import DatamillError

if TYPE_CHECKING:
    from datamill_infra.drivers.rollout import Rollout


def revive(rollout: Rollout, *, wait: bool = True) -> bool:
    """Start the supervisor again when it was killed, and wait for its components.

    Args:
        rollout: of the deployment.
        wait: until the components are healthy again, within their own budgets.

    Returns:
        Whether that was needed.
    """
    drivers = [driver for driver in rollout.drivers.values() if isinstance(driver, EmbeddedDriver)]
    if not any(driver.revive() for driver in drivers):
        return False
    click.echo("The supervisor had been killed; it is started again, and the components with it.", err=True)
    if wait:
        for name in rollout.deployment.resolution.sequence():
            if rollout.releases.get(name) is None:
                continue
            try:
                rollout.driver(name).wait(name, cancelled=lambda: False)
            except DatamillError as error:
                click.echo(error.reason, err=True)
    return True
