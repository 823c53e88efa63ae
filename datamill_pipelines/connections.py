"""How pipelines reach components: by capability, through the connections that the deployment has published.

No asset builds a client from an address of its own. Connections are read when they are asked for, not when code is
loaded, so a code location can be loaded (and shown) before anything runs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from datamill_infra.model.home import Home
from datamill_infra.model.published import dagster_home, published_connection

if TYPE_CHECKING:
    from datamill_infra.model.connections import ResolvedConnection
    from datamill_pipelines.datasets import DatasetStore


class PlatformConnections(dg.ConfigurableResource):  # type: ignore[type-arg]  # it is its own value
    """The resource ``platform``: published connections, and the dataset store behind one of them.

    Attributes:
        home: the deployment directory; that of ``DAGSTER_HOME`` when empty.
    """

    home: str = ""

    def directory(self) -> Home:
        """The deployment's directory.

        Raises:
            ConfigurationError: ``home`` is empty, and ``DAGSTER_HOME`` names no directory.
        """
        return Home(Path(self.home) if self.home else dagster_home(os.environ))

    def get(self, capability: str) -> ResolvedConnection:
        """The connection of a capability, with its secrets.

        Args:
            capability: e.g. ``"kafka"``.

        Raises:
            BlockedError: nothing that provides it has been deployed.
            ConfigurationError: the published state is damaged.
        """
        return published_connection(self.directory(), capability)

    def store(self) -> DatasetStore:
        """The versioned datasets of the deployment.

        Raises:
            BlockedError: nothing that provides ``datasets`` has been deployed.
        """
        # Imported here: most resources are made in processes that only look at definitions.
        from datamill_pipelines.datasets import open_store  # noqa: PLC0415

        return open_store(self.get("datasets"))
