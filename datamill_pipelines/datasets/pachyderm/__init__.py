"""The ``pachyderm`` provider of versioned datasets: a Pachyderm 2.12 server, through ``pachyderm-sdk``.

Repos, branches, commits and files are Pachyderm's own, so that ``pachctl`` and its console show what Data Mill writes,
and what others write can be read here. What Pachyderm has no word for (author, run, code version) is in the commit's
metadata. What it cannot promise is refused by name. ``docs/pachyderm.md`` says what was tried against a real server.

The SDK is in the extra ``pachyderm``, and is imported when a store is opened.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from datamill_infra.model.connections import ResolvedConnection
    from datamill_pipelines.datasets.pachyderm.store import PachydermStore

__all__ = ["open_pachyderm"]


def open_pachyderm(connection: ResolvedConnection) -> PachydermStore:
    """The store behind a connection of the ``datasets`` capability.

    Args:
        connection: ``url`` (``grpc://host:port`` or ``grpcs://host:port``), ``token`` (secret; empty when the server
            has no authentication).

    Raises:
        ConfigurationError: the extra is not installed, or the address is not one.
        StoreUnreachableError: nothing answers there.
    """
    if find_spec("pachyderm_sdk") is None:
        raise ConfigurationError(
            "The dataset store is a Pachyderm server, and the Python package pachyderm-sdk is not installed.",
            instruction="Install the extra: pip install 'datamill[pachyderm]'.",
        )
    from datamill_pipelines.datasets.pachyderm.door import Door  # noqa: PLC0415 (the extra may be missing)
    from datamill_pipelines.datasets.pachyderm.store import PachydermStore  # noqa: PLC0415

    return PachydermStore(Door(connection.text("url"), str(connection.get("token") or "")))
