"""microk8s: the one cluster that a snap runs on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from datamill_infra.clusters.commands import ClusterError
from datamill_infra.clusters.tools.tool import CREATE_SECONDS, LOAD_SECONDS, ToolProvider, loaded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datamill_infra.clusters.provider import ClusterStatus

ONLY = "microk8s"


class Microk8sProvider(ToolProvider):
    """The cluster of microk8s; there is one, and it exists as long as the snap is installed."""

    kind = "microk8s"
    install = "Install microk8s (`snap install microk8s --classic`), or use --provider lab."

    def context(self, name: str) -> str:
        """Always the same."""
        del name
        return ONLY

    def status(self, name: str) -> ClusterStatus:
        """What microk8s says of itself."""
        _only(name)
        running = yaml.safe_load(self._run("status", "--format", "yaml"))["microk8s"]["running"]
        return self._status(name, found=True, ready=bool(running), answer="running" if running else "not running")

    def load_image(self, name: str, archive: Path) -> Sequence[str]:
        """Import the archive."""
        _only(name)
        self._run("images", "import", str(archive), seconds=LOAD_SECONDS)
        return loaded(archive)

    def kubeconfig(self, name: str) -> str:
        """As microk8s prints it."""
        _only(name)
        return self._run("config")

    def _create(self, name: str, *, exists: bool) -> None:
        del name, exists
        self._run("start", seconds=CREATE_SECONDS)
        self._run("status", "--wait-ready", "--timeout", "300", seconds=CREATE_SECONDS)
        # Off at first; every deployment needs names and volumes.
        for addon in ("dns", "hostpath-storage"):
            self._run("enable", addon, seconds=CREATE_SECONDS)

    def _delete(self, name: str) -> None:
        del name
        self._run("reset", "--destroy-storage", seconds=CREATE_SECONDS)


def _only(name: str) -> None:
    if name != ONLY:
        raise ClusterError(
            f"microk8s runs one cluster on a machine, and it is not called {name!r}.",
            instruction=f"Name it: datamill cluster ... {ONLY} --provider microk8s",
        )
