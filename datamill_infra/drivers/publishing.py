"""Publishing connections: ``state/connections.json``, which pipelines and ``datamill env`` read.

See :mod:`datamill_infra.model.published` for the reader's side.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from datamill_infra.drivers.embedded.ports import PortBook
from datamill_infra.drivers.files import write_private
from datamill_infra.model.published import published_connections

if TYPE_CHECKING:
    from datamill_infra.model.connections import Connection
    from datamill_infra.model.deployment import Deployment


class Publisher:
    """Writes the published connections of one deployment; shared by threads, under the writer lock.

    Args:
        deployment: whose.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self._lock = threading.Lock()

    def publish(self, component: str) -> None:
        """Publish what a healthy component provides to pipelines. No write when it says so already.

        Raises:
            StateError: the file cannot be written.
        """
        rendered = self.deployment.rendered(component, PortBook(self.deployment.ports_file).read())
        mine = {
            capability: connection
            for capability, connection in rendered.connections.items()
            if self.deployment.resolution.bound.get(capability) == component
        }
        with self._lock:
            before = published_connections(self.deployment)
            # What this component provided and the deployment now gets from another one is the other one's to publish.
            kept = {name: entry for name, entry in before.items() if entry.component != component}
            self._write(before, kept | mine)

    def withdraw(self, component: str) -> None:
        """Take back everything that a component provides."""
        with self._lock:
            before = published_connections(self.deployment)
            self._write(before, {name: entry for name, entry in before.items() if entry.component != component})

    def _write(self, before: dict[str, Connection], after: dict[str, Connection]) -> None:
        if after != before:
            entries = {name: after[name].to_dict() for name in sorted(after)}
            write_private(self.deployment.connections_file, json.dumps(entries, indent=2))
