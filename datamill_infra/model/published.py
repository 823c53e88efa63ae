"""Published connections: what a deployed component really listens on, for whoever uses it.

``state/connections.json`` maps a capability to :meth:`Connection.to_dict`; the driver writes it once the component is
healthy. Secrets are in there by name, and joined in from ``state/secrets.json`` at the moment of use; in a cluster from
the folder ``state/secrets``, where a Secret of Kubernetes is mounted, a file each.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamill_infra.model.connections import Connection, ResolvedConnection
from datamill_infra.model.errors import BlockedError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_infra.model.home import Home


def dagster_home(environment: Mapping[str, str]) -> Path:
    """The deployment directory that ``DAGSTER_HOME`` names.

    Args:
        environment: of the process.

    Raises:
        ConfigurationError: it is not set, or names no directory. Dagster would work on a temporary instance then, and
            the history would be lost.
    """
    named = environment.get("DAGSTER_HOME", "")
    if not named:
        raise ConfigurationError(
            "DAGSTER_HOME is not set, so it is not known which deployment is meant.",
            instruction='Say `eval "$(datamill env)"` first, or use `datamill up`, `datamill run` and `datamill ui`,'
            " which set it themselves.",
        )
    home = Path(named)
    if not home.is_absolute() or not home.is_dir():
        raise ConfigurationError(
            f"DAGSTER_HOME is {named!r}, which is not the absolute path of a directory.",
            instruction='Set it to the deployment directory: `eval "$(datamill env)"`.',
        )
    return home


def published_connections(home: Home) -> dict[str, Connection]:
    """Capability to published connection; empty before the first deploy.

    Raises:
        ConfigurationError: the file is damaged.
    """
    data = _read(home.connections_file)
    return {capability: Connection.from_dict(entry) for capability, entry in data.items()}


def published_connection(home: Home, capability: str) -> ResolvedConnection:
    """One published connection with its secrets.

    Raises:
        BlockedError: nothing has been published for the capability.
        ConfigurationError: a file is damaged, or a secret is missing.
    """
    connections = published_connections(home)
    if capability not in connections:
        raise BlockedError(
            f"Nothing provides {capability!r} in the deployment {home.home}"
            f" (published: {', '.join(sorted(connections)) or 'nothing'}).",
            instruction="Run `datamill up`; `datamill components` lists what provides which capability.",
        )
    return connections[capability].resolve(_secrets(home))


def _secrets(home: Home) -> dict[str, Any]:
    mounted = home.state_dir / "secrets"
    if not mounted.is_dir():
        return _read(home.secrets_file)
    # A mounted Secret has folders, too, with older and newer content; their names begin with two dots.
    return {file.name: file.read_text(encoding="utf-8") for file in mounted.iterdir() if file.is_file()}


def _read(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ConfigurationError(
            f"{file} is damaged ({error}).", instruction="Remove it and run `datamill up`, which writes it again."
        ) from error
    if not isinstance(data, dict):
        raise ConfigurationError(
            f"{file} is damaged: it is not a mapping.", instruction="Remove it and run `datamill up`."
        )
    return data
