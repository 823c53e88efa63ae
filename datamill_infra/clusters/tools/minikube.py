"""minikube: Kubernetes in a container or a virtual machine."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.clusters.commands import CommandFailedError
from datamill_infra.clusters.tools.tool import CREATE_SECONDS, LOAD_SECONDS, ToolProvider, loaded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamill_infra.clusters.provider import ClusterStatus


class MinikubeProvider(ToolProvider):
    """Profiles of minikube."""

    kind = "minikube"
    install = "Install minikube (minikube.sigs.k8s.io) and a driver for it, or use --provider lab."

    def context(self, name: str) -> str:
        """A profile is a context."""
        return name

    def status(self, name: str) -> ClusterStatus:
        """What minikube says of host, kubelet and API server."""
        listed = json.loads(self._run("profile", "list", "--output", "json"))
        if name not in {profile["Name"] for profile in listed.get("valid", [])}:
            return self._status(name, found=False, ready=False, answer="")
        try:
            said = self._run("status", "--profile", name, "--output", "json")
        except CommandFailedError as error:  # its exit code tells what does not run
            return self._status(name, found=True, ready=False, answer=error.reason)
        parts = json.loads(said)
        states = {part: parts[part] for part in ("Host", "Kubelet", "APIServer")}
        ready = all(state == "Running" for state in states.values())
        return self._status(name, found=True, ready=ready, answer=", ".join(f"{k} {v}" for k, v in states.items()))

    def load_image(self, name: str, archive: Path) -> Sequence[str]:
        """Copy the archive into the node's runtime."""
        self._run("image", "load", str(archive), "--profile", name, seconds=LOAD_SECONDS)
        return loaded(archive)

    def kubeconfig(self, name: str) -> str:
        """Let minikube repair the context in an empty file: it has no command that prints one."""
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "kubeconfig"
            self._run("update-context", "--profile", name, kubeconfig=file)
            return self._run(
                "kubectl", "--profile", name, "--", "config", "view", "--raw", "--flatten", kubeconfig=file
            )

    def _create(self, name: str, *, exists: bool) -> None:
        del exists  # `start` does both
        with tempfile.TemporaryDirectory() as scratch:
            self._run(
                *("start", "--profile", name, "--interactive=false", "--wait=all"),
                seconds=CREATE_SECONDS,
                kubeconfig=Path(scratch) / "kubeconfig",
            )

    def _delete(self, name: str) -> None:
        self._run("delete", "--profile", name, seconds=LOAD_SECONDS)
