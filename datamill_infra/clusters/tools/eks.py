"""EKS, by eksctl."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.clusters.tools.cloud import CLOUD_SECONDS, CloudProvider
from datamill_infra.clusters.tools.kubeconfigs import renamed

if TYPE_CHECKING:
    from datamill_infra.clusters.provider import ClusterStatus

READY = "ACTIVE"


class EksProvider(CloudProvider):
    """Clusters of one region; the account is that of the credentials that eksctl finds."""

    kind = "eks"
    program = "eksctl"
    install = "Install eksctl (eksctl.io) and give it credentials of AWS by its usual means."
    needs = ("region",)

    def context(self, name: str) -> str:
        """Eksctl puts in front whoever asks; ours is the same for everybody."""
        return f"eks-{self.region}-{name}"

    def status(self, name: str) -> ClusterStatus:
        """What EKS says of it."""
        listed = json.loads(self._run("get", "cluster", *self._where(), "--output", "json") or "null") or []
        # Versions differ in how they write the list.
        names = {one.get("Name") or one.get("metadata", {}).get("name") for one in listed}
        if name not in names:
            return self._status(name, found=False, ready=False, answer="")
        said = json.loads(self._run("get", "cluster", "--name", name, *self._where(), "--output", "json"))
        state = str(said[0].get("Status"))
        return self._status(name, found=True, ready=state == READY, answer=state)

    def kubeconfig(self, name: str) -> str:
        """As eksctl writes it, with a name that does not depend on who asks. It asks AWS for a token at each use."""
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "kubeconfig"
            self._run(
                *("utils", "write-kubeconfig", "--cluster", name, *self._where()),
                *("--kubeconfig", str(file), "--set-kubeconfig-context=false"),
                kubeconfig=file,
            )
            return renamed(file.read_text(encoding="utf-8"), self.context(name))

    def _create(self, name: str, *, exists: bool) -> None:
        if exists:
            return  # being made, or being deleted: EKS finishes by itself
        # The user's kubeconfig and its current context stay as they are.
        self._run(
            "create", "cluster", "--name", name, *self._where(), "--write-kubeconfig=false", seconds=CLOUD_SECONDS
        )

    def _delete(self, name: str) -> None:
        self._run("delete", "cluster", "--name", name, *self._where(), "--wait", seconds=CLOUD_SECONDS)

    def _where(self) -> tuple[str, str]:
        return ("--region", self.region)
