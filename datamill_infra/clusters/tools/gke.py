"""GKE, by gcloud."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.clusters.tools.cloud import CLOUD_SECONDS, CloudProvider

if TYPE_CHECKING:
    from datamill_infra.clusters.provider import ClusterStatus

READY = "RUNNING"


class GkeProvider(CloudProvider):
    """Clusters of one region (or zone) of one project."""

    kind = "gke"
    program = "gcloud"
    install = (
        "Install gcloud (cloud.google.com/sdk) with its component gke-gcloud-auth-plugin, and run `gcloud auth login`."
    )
    needs = ("region", "project")

    def context(self, name: str) -> str:
        """The tool's own name for it, which has all of it."""
        return f"gke_{self.place.project}_{self.region}_{name}"

    def status(self, name: str) -> ClusterStatus:
        """What GKE says of it."""
        listed = json.loads(self._clusters("list", "--format", "json") or "[]")
        found = next((one for one in listed if one["name"] == name), None)
        if found is None:
            return self._status(name, found=False, ready=False, answer="")
        state = str(found["status"])
        return self._status(name, found=True, ready=state == READY, answer=state)

    def kubeconfig(self, name: str) -> str:
        """As gcloud writes it. It asks Google for a token at each use."""
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "kubeconfig"
            self._clusters("get-credentials", name, kubeconfig=file)
            return file.read_text(encoding="utf-8")

    def _create(self, name: str, *, exists: bool) -> None:
        if exists:
            return  # being made, repaired or deleted: GKE finishes by itself
        # The tool always writes a kubeconfig, and makes it current: the user's stays as it is.
        with tempfile.TemporaryDirectory() as scratch:
            self._clusters("create", name, seconds=CLOUD_SECONDS, kubeconfig=Path(scratch) / "kubeconfig")

    def _delete(self, name: str) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            self._clusters("delete", name, seconds=CLOUD_SECONDS, kubeconfig=Path(scratch) / "kubeconfig")

    def _clusters(self, verb: str, *argv: str, seconds: float = 60.0, kubeconfig: Path | None = None) -> str:
        where = ("--location", self.region, "--project", str(self.place.project), "--quiet")
        return self._run("container", "clusters", verb, *argv, *where, seconds=seconds, kubeconfig=kubeconfig)
