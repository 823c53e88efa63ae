"""Protocol knowledge, one module per capability.

Each module has :func:`probe` (a real round trip of the protocol, not an open port) and :func:`environment` (the
variables by which the usual clients find the server), and where a claim asks for something, :func:`provision`, or
``admit`` where the claimant has no access of its own before.
Drivers use them to decide health, pipelines to decide whether they may start. Nothing here starts or stops a server,
and nothing here knows which component is behind a connection.

A component may bring a capability that is not in this package: ``capability_<name>.py`` in its folder, with the same
functions.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from datamill_infra.capabilities.attempt import Observation
from datamill_infra.model.errors import ConfigurationError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from datamill_infra.model.connections import ResolvedConnection

__all__ = ["CapabilityModule", "Observation", "load", "provision"]

NOT_CAPABILITIES = frozenset({"__init__", "__main__", "attempt", "pachyderm_server", "rest"})
FUNCTIONS = ("probe", "environment")


class CapabilityModule(Protocol):
    """What every capability module has."""

    def probe(self, connection: ResolvedConnection, *, timeout: float) -> Observation:
        """Make one round trip of the protocol.

        Args:
            connection: where, with its secrets.
            timeout: budget in seconds for all of it.

        Raises:
            UnhealthyError: it did not succeed; the reason names subject, budget and last observed state.
        """

    def environment(self, connection: ResolvedConnection) -> Mapping[str, str]:
        """The conventional variables by which clients find this server, secrets included."""


def load(capability: str, catalogue_folders: Iterable[Path] = ()) -> CapabilityModule:
    """The module of a capability: this package's own, else the first one a component's folder brings.

    Args:
        capability: e.g. ``"s3"``.
        catalogue_folders: folders of component folders, in search order.

    Raises:
        UnknownNameError: neither has it; the nearest one that exists is named.
        ConfigurationError: a folder's module lacks a function.
    """
    stem = capability.replace("-", "_")
    own = {path.stem for path in Path(__file__).parent.glob("*.py")} - NOT_CAPABILITIES
    if stem in own:
        return cast("CapabilityModule", importlib.import_module(f"{__name__}.{stem}"))
    brought: dict[str, Path] = {}
    for folder in catalogue_folders:
        for path in sorted(folder.glob("*/capability_*.py")):
            brought.setdefault(path.stem.removeprefix("capability_"), path)
    if stem not in brought:
        raise UnknownNameError("module for the capability", capability, [*own, *brought])
    return _load_file(brought[stem])


def provision(
    module: CapabilityModule,
    connection: ResolvedConnection,
    claim: Mapping[str, object],
    *,
    owner: ResolvedConnection | None = None,
) -> None:
    """Create what a claim asks for, where the capability has something to create. Idempotent.

    Args:
        module: of the capability.
        connection: where, as the claimant sees it, with its secrets.
        claim: e.g. ``{"bucket": "mlflow"}``.
        owner: the same as the provider itself gives it, for what the claimant cannot do: ``{"database": "mlflow"}``.

    Raises:
        UnhealthyError: the server refused, or did not answer.
    """
    create = getattr(module, "provision", None)
    if create is not None and claim:
        create(connection, claim)
    admit = getattr(module, "admit", None)
    if admit is not None and claim and owner is not None:
        admit(owner, connection, claim)


@cache
def _load_file(path: Path) -> CapabilityModule:
    name = f"datamill_brought_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path} cannot be read as Python.", instruction="Correct the file's name or content.")
    module = importlib.util.module_from_spec(spec)
    # Before it is executed: dataclasses look their module up by name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    for function in FUNCTIONS:
        if not callable(getattr(module, function, None)):
            raise ConfigurationError(
                f"{path} has no function {function}(connection).",
                instruction="Add it; datamill_infra/capabilities/mqtt.py is a short example.",
            )
    return cast("CapabilityModule", module)
