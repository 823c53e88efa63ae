"""kops: clusters of virtual machines in a cloud, described in a state store."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamill_infra.clusters.commands import CommandFailedError
from datamill_infra.clusters.tools.cloud import CLOUD_SECONDS, CloudProvider
from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from datamill_infra.clusters.provider import ClusterStatus

NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")
NOBODY = ("no clusters found", "not found")
"""How kops says, with an error, that there is none."""

FIRST_ZONE = {"s3": "{}a", "gs": "{}-a"}
"""The first zone of a region, by the kind of the state store, which tells the cloud."""


class KopsProvider(CloudProvider):
    """Clusters of one state store; a cluster's name is a DNS name."""

    kind = "kops"
    program = "kops"
    install = "Install kops (kops.sigs.k8s.io) and give it credentials of the cloud by its usual means."
    needs = ("region", "state")

    def context(self, name: str) -> str:
        """A cluster's name is its context."""
        return name

    def checked(self, name: str) -> str:
        """See :meth:`ToolProvider.checked`; names here are DNS names."""
        if NAME.fullmatch(name) is None:
            raise ConfigurationError(
                f"{name!r} cannot be the name of a cluster of kops.",
                instruction="Use a DNS name: mill.example.com of a zone that you own, or mill.k8s.local without one.",
            )
        return name

    def status(self, name: str) -> ClusterStatus:
        """What kops says when it validates the cluster."""
        if name not in self._names():
            return self._status(name, found=False, ready=False, answer="")
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "kubeconfig"
            try:
                self._export(name, file)
                said = self._run("validate", "cluster", *self._which(name), "--output", "json", kubeconfig=file)
            except CommandFailedError as error:  # its exit code tells that something is missing
                return self._status(name, found=True, ready=False, answer=error.reason)
        failures: list[dict[str, Any]] = json.loads(said).get("failures") or []
        told = "; ".join(str(one.get("message")) for one in failures) or "validated"
        return self._status(name, found=True, ready=not failures, answer=told)

    def kubeconfig(self, name: str) -> str:
        """With an administrator's certificate, which lives for 18 hours."""
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "kubeconfig"
            self._export(name, file)
            return file.read_text(encoding="utf-8")

    def _create(self, name: str, *, exists: bool) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "kubeconfig"
            if exists:
                self._run("update", "cluster", *self._which(name), "--yes", seconds=CLOUD_SECONDS, kubeconfig=file)
            else:
                zones = ("--zones", self._zone())
                self._run(
                    "create", "cluster", *self._which(name), *zones, "--yes", seconds=CLOUD_SECONDS, kubeconfig=file
                )
            self._export(name, file)
            self._run(
                "validate", "cluster", *self._which(name), "--wait", "20m", seconds=CLOUD_SECONDS, kubeconfig=file
            )

    def _delete(self, name: str) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "kubeconfig"
            self._run("delete", "cluster", *self._which(name), "--yes", seconds=CLOUD_SECONDS, kubeconfig=file)

    def _names(self) -> set[str]:
        """The clusters of the state store."""
        try:
            said = self._run("get", "clusters", "--state", str(self.place.state), "--output", "json")
        except CommandFailedError as error:
            if any(words in error.said for words in NOBODY):
                return set()
            raise
        found = json.loads(said)
        return {str(one["metadata"]["name"]) for one in (found if isinstance(found, list) else [found])}

    def _export(self, name: str, file: Path) -> None:
        self._run("export", "kubeconfig", *self._which(name), "--admin", "--kubeconfig", str(file), kubeconfig=file)

    def _which(self, name: str) -> tuple[str, ...]:
        return ("--name", name, "--state", str(self.place.state))

    def _zone(self) -> str:
        form = FIRST_ZONE.get(str(self.place.state).partition("://")[0])
        if form is None:
            raise ConfigurationError(
                f"The state store {self.place.state!r} tells no cloud that this program knows.",
                instruction="Use s3://BUCKET (AWS) or gs://BUCKET (Google), or make the cluster by hand and bring its"
                " context (`datamill up --context`).",
            )
        return form.format(self.region)
