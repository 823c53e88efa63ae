"""A capability of a deployment as it is reached from here, wherever the deployment is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_infra.model.connections import ResolvedConnection
    from datamill_infra.model.deployment import Deployment


@contextlib.contextmanager
def reached(deployment: Deployment, capability: str) -> Iterator[ResolvedConnection]:
    """A published connection, on a cluster through forwarded ports for as long as it is needed.

    Args:
        deployment: which.
        capability: e.g. ``"datasets"``.

    Raises:
        BlockedError: nothing that provides it has been deployed.
        UnhealthyError: nothing of it runs.
    """
    from datamill_infra.model.published import published_connection

    published = published_connection(deployment, capability)
    if deployment.target == "embedded":
        yield published
        return
    from datamill_infra.drivers.rollout import Rollout

    with Rollout(deployment).door(capability) as here:
        yield here
