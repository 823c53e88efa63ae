"""Helm over a cluster in memory, for tests: renders by a function, applies, and keeps records as the real one does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from datamill_infra.drivers.helm.door import Helm, HelmError
from datamill_infra.drivers.helm.records import DEPLOYED
from datamill_infra.drivers.helm.sighting import RELEASE_NAME
from datamill_infra.kubernetes.memory import CLUSTER_SCOPED
from datamill_infra.kubernetes.objects import Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from datamill_infra.kubernetes.memory import MemoryCluster
    from datamill_infra.kubernetes.objects import Object

    Render = Callable[[str, str, Mapping[str, Any]], list[Object]]
    """Release, namespace, merged values."""


class FakeHelm(Helm):
    """See the module.

    Args:
        cluster: where releases go.
        render: what charts render, by name of the chart.
    """

    def __init__(self, cluster: MemoryCluster, render: Mapping[str, Render]) -> None:
        self.cluster, self.render = cluster, render
        self.fails: str | None = None
        """Why the next upgrade fails, after it wrote its record."""
        self.killed = False
        """Whether the next upgrade is killed after it wrote its record."""
        self._manifests: dict[tuple[str, str, int], list[Object]] = {}

    def template(self, release: str, namespace: str, chart: Path, values: Sequence[Path]) -> list[Object]:
        """See :meth:`Helm.template`."""
        merged: dict[str, Any] = {}
        for file in values:
            _merge(merged, yaml.safe_load(file.read_text(encoding="utf-8")) or {})
        if (wrapped := chart / "objects.yaml").exists():
            return [item for item in yaml.safe_load_all(wrapped.read_text(encoding="utf-8")) if item]
        return self.render[chart.name](release, namespace, merged)

    def definitions(self, chart: Path) -> list[Object]:
        """See :meth:`Helm.definitions`."""
        return [
            item
            for file in sorted(chart.glob("crds/*.yaml"))
            for item in yaml.safe_load_all(file.read_text(encoding="utf-8"))
        ]

    def pull(self, source: str, chart: str | None, version: str, into: Path) -> Path:
        """See :meth:`Helm.pull`; there is no registry."""
        del into
        raise HelmError(f"{source} {chart or ''} {version} cannot be pulled", instruction="Put it into the cache.")

    def upgrade(
        self,
        context: str,
        release: str,
        namespace: str,
        chart: Path,
        values: Sequence[Path],
        labels: Mapping[str, str],
    ) -> None:
        """See :meth:`Helm.upgrade`."""
        del context
        before = self._records(release, namespace)
        if any(record["metadata"]["labels"]["status"].startswith("pending") for record in before):
            raise HelmError("another operation is in progress", instruction="Roll back by hand.")
        revision = _next(before)
        pending = "pending-upgrade" if before else "pending-install"
        labels = {**(before[-1]["metadata"]["labels"] if before else {}), **labels}
        self._record(release, namespace, revision, pending, labels)
        if self.killed:
            self.killed = False
            raise HelmError("killed", instruction="Run the command again.")
        if self.fails:
            reason, self.fails = self.fails, None
            self._record(release, namespace, revision, "failed", labels)
            raise HelmError(reason, instruction="Correct it.")
        self._deploy(release, namespace, revision, self.template(release, namespace, chart, values), labels)

    def rollback(self, context: str, release: str, namespace: str, revision: int) -> None:
        """See :meth:`Helm.rollback`."""
        del context
        before = self._records(release, namespace)
        target = next(one for one in before if one["metadata"]["labels"]["version"] == str(revision))
        manifest = self._manifests[release, namespace, revision]
        self._deploy(release, namespace, _next(before), manifest, target["metadata"]["labels"])

    def uninstall(self, context: str, release: str, namespace: str) -> None:
        """See :meth:`Helm.uninstall`."""
        del context
        for ref, item in list(self.cluster.objects.items()):
            if item["metadata"].get("annotations", {}).get(RELEASE_NAME) == release:
                self.cluster.delete(ref)
        for record in self._records(release, namespace):
            self.cluster.delete(Ref.of(record))

    def _deploy(
        self, release: str, namespace: str, revision: int, items: list[Object], labels: Mapping[str, str]
    ) -> None:
        before = self._records(release, namespace)
        for item in items:
            metadata = {**({} if item["kind"] in CLUSTER_SCOPED else {"namespace": namespace}), **item["metadata"]}
            metadata["annotations"] = {**metadata.get("annotations", {}), RELEASE_NAME: release}
            self.cluster.applied({**item, "metadata": metadata}, "helm")
        for record in before:
            given = record["metadata"]["labels"]
            if int(given["version"]) < revision:
                self._record(release, namespace, int(given["version"]), "superseded", given)
        self._record(release, namespace, revision, DEPLOYED, labels)
        self._manifests[release, namespace, revision] = items

    def _records(self, release: str, namespace: str) -> list[Object]:
        found = self.cluster.find("v1", "Secret", namespace, f"owner=helm,name={release}")
        return sorted(found, key=lambda one: int(one["metadata"]["labels"]["version"]))

    def _record(self, release: str, namespace: str, revision: int, status: str, labels: Mapping[str, str]) -> None:
        own = {"owner": "helm", "name": release, "version": str(revision), "status": status}
        metadata = {
            "name": f"sh.helm.release.v1.{release}.v{revision}",
            "namespace": namespace,
            "labels": {**labels, **own},
        }
        self.cluster.applied({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}, "helm")


def _next(records: Sequence[Object]) -> int:
    return max((int(one["metadata"]["labels"]["version"]) for one in records), default=0) + 1


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
