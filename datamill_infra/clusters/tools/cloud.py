"""What the providers have in common that call the tool of a cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra.clusters.commands import ClusterError
from datamill_infra.clusters.tools.tool import ToolProvider

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Clouds take 10 to 25 minutes for a control plane and its nodes.
CLOUD_SECONDS = 2700.0


class CloudProvider(ToolProvider):
    """A provider of clusters that other machines run, in a place that is always named."""

    @property
    def region(self) -> str:
        """Where the cluster is."""
        return str(self.place.region)

    def load_image(self, name: str, archive: Path) -> Sequence[str]:
        """Nothing can be given to the nodes of a cloud.

        Raises:
            ClusterError: always.
        """
        raise ClusterError(
            f"{archive.name} cannot be given to the nodes of {self.context(name)}, which pull their images.",
            instruction="Push the image to a registry that they reach, and name it under `global.images` in the"
            " deployment's values.",
        )
