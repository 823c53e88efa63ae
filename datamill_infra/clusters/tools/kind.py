"""kind: Kubernetes in Docker containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra.clusters.tools.tool import CREATE_SECONDS, LOAD_SECONDS, ToolProvider, loaded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datamill_infra.clusters.provider import ClusterStatus


class KindProvider(ToolProvider):
    """Clusters of kind."""

    kind = "kind"
    install = "Install kind (kind.sigs.k8s.io) and Docker, or use --provider lab."

    def context(self, name: str) -> str:
        """The tool puts its name in front."""
        return f"kind-{name}"

    def status(self, name: str) -> ClusterStatus:
        """The tool knows clusters, not whether they work: its containers restart with Docker."""
        found = name in self._run("get", "clusters", "--quiet").split()
        return self._status(name, found=found, ready=found, answer="listed by `kind get clusters`")

    def load_image(self, name: str, archive: Path) -> Sequence[str]:
        """Copy the archive into every node."""
        self._run("load", "image-archive", str(archive), "--name", name, seconds=LOAD_SECONDS)
        return loaded(archive)

    def kubeconfig(self, name: str) -> str:
        """As kind writes it."""
        return self._run("get", "kubeconfig", "--name", name)

    def _create(self, name: str, *, exists: bool) -> None:
        del exists  # kind lists only what it made
        # To the null device: the user's kubeconfig and its current context stay as they are.
        self._run(
            "create", "cluster", "--name", name, "--wait", "300s", "--kubeconfig", "/dev/null", seconds=CREATE_SECONDS
        )

    def _delete(self, name: str) -> None:
        self._run("delete", "cluster", "--name", name, "--kubeconfig", "/dev/null", seconds=LOAD_SECONDS)
