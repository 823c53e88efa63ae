"""Waiting until a component is healthy: a budget, and an explanation when it is used up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from datamill_infra import capabilities
from datamill_infra.model.errors import DatamillError, UnhealthyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from datamill_infra.capabilities import Observation
    from datamill_infra.drivers.driver import Notify
    from datamill_infra.model.components import HealthPart
    from datamill_infra.model.connections import Connection
    from datamill_infra.model.deployment import Deployment


# A person reads no faster.
NOTICE_SECONDS = 1.0


class CancelledError(DatamillError):
    """The command was interrupted while it waited."""

    exit_code = 130


class Probe(Protocol):
    """One round trip per capability; raises :class:`UnhealthyError`."""

    def __call__(self) -> dict[str, Observation]:
        """Probe."""


def probe_all(
    deployment: Deployment, connections: Mapping[str, Connection], secrets: Mapping[str, str], timeout: float
) -> dict[str, Observation]:
    """One round trip for each connection.

    Args:
        deployment: its catalogue may bring capabilities of its own.
        connections: capability to connection.
        secrets: of the deployment.
        timeout: of each round trip, seconds.

    Raises:
        UnhealthyError: the first that did not succeed.
    """
    return {
        capability: capabilities.load(capability, deployment.catalogue.folders).probe(
            connection.resolve(secrets), timeout=timeout
        )
        for capability, connection in connections.items()
    }


def wait_healthy(  # noqa: PLR0913  (one wait loop, all its collaborators injected)
    component: str,
    probe: Probe,
    health: HealthPart,
    *,
    notify: Notify,
    cancelled: Callable[[], bool],
    hopeless: Callable[[], str | None],
    explain: Callable[[], str],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Observation]:
    """Probe until it succeeds.

    Args:
        component: for messages.
        probe: one attempt.
        health: the budget.
        notify: hears the reason of each failed attempt.
        cancelled: asked before each attempt.
        hopeless: asked after each failed attempt: why no later one can succeed, a clause, or ``None``.
        explain: gives what else a person needs to see when it failed, e.g. the end of the log; may be empty.
        sleep: of the wait loop.
        clock: monotonic seconds.

    Raises:
        UnhealthyError: the budget was used up, or there is no hope.
        CancelledError: ``cancelled`` said yes.
    """
    began = next_notice = clock()
    while True:
        if cancelled():
            raise CancelledError(
                f"Interrupted while waiting for {component}.",
                instruction="What was started keeps running. `datamill up` continues, `datamill down` stops it.",
            )
        try:
            return probe()
        except UnhealthyError as error:
            last = error
        if clock() >= next_notice:
            notify("probing", last.reason)
            next_notice = clock() + NOTICE_SECONDS
        lost, spent = hopeless(), clock() - began
        if lost is not None or spent > health.start_seconds:
            end = lost or f"its budget of {health.start_seconds:g} s was used up"
            detail = explain()
            raise UnhealthyError(
                f"{component} did not become healthy: {end}. Last attempt: {last.reason}"
                + (f"\n{detail}" if detail else ""),
                instruction=f"`datamill logs {component}` shows more. When the cause is gone, run `datamill up`"
                " again: what is healthy stays as it is.",
            ) from last
        sleep(health.interval_seconds)
