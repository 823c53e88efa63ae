"""k3d: k3s in Docker containers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from datamill_infra.clusters.tools.tool import CREATE_SECONDS, LOAD_SECONDS, ToolProvider, loaded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datamill_infra.clusters.provider import ClusterStatus


class K3dProvider(ToolProvider):
    """Clusters of k3d."""

    kind = "k3d"
    install = "Install k3d (k3d.io) and Docker, or use --provider lab."

    def context(self, name: str) -> str:
        """k3d puts its name in front."""
        return f"k3d-{name}"

    def status(self, name: str) -> ClusterStatus:
        """The servers that run, of those that there are."""
        clusters = {
            cluster["name"]: cluster for cluster in json.loads(self._run("cluster", "list", "--output", "json"))
        }
        if name not in clusters:
            return self._status(name, found=False, ready=False, answer="")
        running, count = clusters[name]["serversRunning"], clusters[name]["serversCount"]
        return self._status(name, found=True, ready=running == count, answer=f"{running} of {count} servers run")

    def load_image(self, name: str, archive: Path) -> Sequence[str]:
        """Import the archive into every node."""
        self._run("image", "import", str(archive), "--cluster", name, seconds=LOAD_SECONDS)
        return loaded(archive)

    def kubeconfig(self, name: str) -> str:
        """As k3d writes it."""
        return self._run("kubeconfig", "get", name)

    def _create(self, name: str, *, exists: bool) -> None:
        if exists:
            self._run("cluster", "start", name, "--wait", seconds=CREATE_SECONDS)
            return
        self._run(
            *("cluster", "create", name, "--wait"),
            # The user's kubeconfig and its current context stay as they are.
            *("--kubeconfig-update-default=false", "--kubeconfig-switch-context=false"),
            seconds=CREATE_SECONDS,
        )

    def _delete(self, name: str) -> None:
        self._run("cluster", "delete", name, seconds=LOAD_SECONDS)
