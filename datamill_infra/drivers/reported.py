"""Whether those who keep a record of deploys have all of it: Dagster here, and the Dagster of the cluster.

What the latter has been told from this machine is in ``state/reported.json``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from datamill_infra.drivers.files import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        self._file, self._owing = deployment.state_file("reported"), deployment.state_file("owed")
        self.listener = dagster_in_cluster(deployment)

    @property
    def owed(self) -> bool:
        """Whether a deploy has ended, or goes on, of which not all has been told."""
        return self._owing.exists()

    def owe(self) -> None:
        """A deploy begins. Until :meth:`settle`, however it ends, not all of it has been told.

        Raises:
            StateError: the state directory cannot be written.
        """
        write_private(self._owing, "")

    def settle(self) -> None:
        """All has been told."""
        self._owing.unlink(missing_ok=True)

    def read(self) -> dict[str, object]:
        """The facts by name; none where nothing is known, and then everything is news."""
        try:
            return dict(json.loads(self._file.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError):
            return {}

    def write(self, facts: Mapping[str, object]) -> None:
        """These have been told.

        Raises:
            StateError: the file cannot be written.
        """
        write_private(self._file, json.dumps(facts, indent=2, sort_keys=True))

    def forget(self) -> None:
        """Have everything told again."""
        self._file.unlink(missing_ok=True)
