"""Whether those who keep a record of deploys have all of it: Dagster here, and the Dagster of the cluster.

Of which components both know is in ``state/told.json``; what the latter has been told from this machine, in
``state/reported.json``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from datamill_infra.drivers.files import write_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from datamill_infra.model.deployment import Deployment

CAPABILITY = "dagster"


def dagster_in_cluster(deployment: Deployment) -> str | None:
    """The component that is the Dagster of a deployment's cluster, if there is one."""
    component = deployment.resolution.bound.get(CAPABILITY)
    return component if component and deployment.provider(component) == "helm" else None


class Reported:
    """The memory of what was told.

    Args:
        deployment: whose.

    Attributes:
        listener: the component that is told; ``None`` where the cluster has no Dagster.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._file, self._told = deployment.state_file("reported"), deployment.state_file("told")
        self.listener = dagster_in_cluster(deployment)

    def told(self, components: Iterable[str]) -> bool:
        """Whether all of what was last deployed of these has been told."""
        return self._names().issuperset(components)

    def owe(self, components: Iterable[str]) -> None:
        """A deploy of these begins. Until :meth:`settle`, however it ends, not all of it has been told.

        Raises:
            StateError: the state directory cannot be written.
        """
        self._write_names(self._names().difference(components))

    def settle(self, components: Iterable[str]) -> None:
        """All has been told of these.

        Raises:
            StateError: the state directory cannot be written.
        """
        self._write_names(self._names().union(components))

    def read(self) -> dict[str, object]:
        """The facts by name; none where nothing is known, and then everything is news."""
        return dict(_read(self._file) or {})

    def write(self, facts: Mapping[str, object]) -> None:
        """These have been told.

        Raises:
            StateError: the file cannot be written.
        """
        write_private(self._file, json.dumps(facts, indent=2, sort_keys=True))

    def forget(self) -> None:
        """Have everything told again."""
        self._file.unlink(missing_ok=True)

    def _names(self) -> set[str]:
        return set(_read(self._told) or ())

    def _write_names(self, names: Iterable[str]) -> None:
        write_private(self._told, json.dumps(sorted(names)))


def _read(file: Path) -> Any:  # noqa: ANN401  JSON
    """What a file holds; ``None`` when it is not there or damaged: then all is told again, which does no harm."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
