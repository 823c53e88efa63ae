"""Deployments that share one operator, ``keeper``, on a cluster in memory. It defines the kind ``Pond``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from datamill_infra.drivers.helm.driver import HelmDriver
from datamill_infra.drivers.helm.fake import FakeHelm
from datamill_infra.drivers.passes import Outcome
from datamill_infra.drivers.releases import Releases
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.kubernetes import definitions
from datamill_infra.kubernetes.memory import MemoryCluster
from datamill_infra.kubernetes.objects import Object, Ref
from datamill_infra.model.deployment import Deployment

PLACE = "keepers"
PONDS = "ponds.example.org"
COMPONENT = """
title: A keeper
summary: Looks after ponds.
homepage: https://example.org
licence: Apache-2.0
provides: []
helm:
  values: {colour: green}
  units:
    - name: keeper
      kind: chart
      source: local:charts/keeper
      version: "VERSION"
      namespace: keepers
      scope: cluster
      crds: CRDS
      values: {colour: "${values.colour}"}
      ready: [{established: [ponds.example.org], seconds: 1}]
connection: {}
health: {start_seconds: 1, timeout_seconds: 1}
"""


def definition(**fields: str) -> Object:
    """Of the kind ``Pond``, with these fields of its ``spec``."""
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": {name: {"type": kind} for name, kind in fields.items()}}
        },
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "ponds", "kind": "Pond", "singular": "pond"}
    spec = {"group": "example.org", "scope": "Namespaced", "names": names, "versions": [version]}
    return {
        "apiVersion": definitions.API_VERSION,
        "kind": definitions.KIND,
        "metadata": {"name": PONDS},
        "spec": spec,
    }


def render(release: str, namespace: str, values: Mapping[str, Any]) -> list[Object]:
    """An operator without a pod: what it may do, and how it is set."""
    labels = {"app.kubernetes.io/instance": release, "app.kubernetes.io/managed-by": "Helm"}
    metadata = {"name": release, "namespace": namespace, "labels": labels}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": []}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"colour": values["colour"]}},
        {**role, "metadata": {"name": release, "labels": labels}},
    ]


@dataclass
class Keeper:
    """One deployment with a keeper; ``mill`` is its namespace."""

    home: Path
    cluster: MemoryCluster
    mill: str
    crds: str = "upgrade"
    lossy: bool = False
    fields: Mapping[str, str] = field(default_factory=lambda: {"depth": "integer", "name": "string"})

    def __post_init__(self) -> None:
        self.cluster.on_write = self._serve
        self.helm = FakeHelm(self.cluster, {"keeper": render})
        (self.home / "flavours").mkdir(parents=True)
        (self.home / "flavours" / "marsh.yaml").write_text("title: Marsh\nsummary: One.\ncomponents: [keeper]\n")
        self.write("1.2.3")

    def write(self, version: str, colour: str = "green") -> None:
        """The component with this version of its chart, and the user's choice."""
        folder = self.home / "catalogue" / "keeper"
        chart = folder / "charts" / "keeper"
        (chart / "crds").mkdir(parents=True, exist_ok=True)
        text = COMPONENT.replace("VERSION", version).replace("CRDS", self.crds)
        (folder / "component.yaml").write_text(text, encoding="utf-8")
        described = {"apiVersion": "v2", "name": "keeper", "version": version}
        (chart / "Chart.yaml").write_text(yaml.safe_dump(described), encoding="utf-8")
        (chart / "crds" / "ponds.yaml").write_text(yaml.safe_dump(definition(**self.fields)), encoding="utf-8")
        (self.home / "deployment.yaml").write_text(
            "flavour: marsh\ntarget: kind\ncontext: memory\n"
            f"namespaces: {{system: {self.mill}, runs: {self.mill}-runs}}\n"
            f"components: {{keeper: {{values: {{colour: {colour}}}}}}}\n"
        )

    @property
    def rollout(self) -> Rollout:
        deployment = Deployment.load(self.home)
        deployment.state_dir.mkdir(exist_ok=True)
        releases = Releases(deployment.releases_file)
        driver = HelmDriver(deployment, releases, cluster=self.cluster, helm=self.helm, lossy=self.lossy)
        return Rollout(deployment, {"helm": driver})

    def up(self) -> Outcome:
        return self.rollout.up()["keeper"]

    def down(self, *, delete_data: bool = False) -> Outcome:
        return self.rollout.down(delete_data=delete_data)["keeper"]

    def obstacles(self) -> list[str]:
        rollout = self.rollout
        return rollout.obstacles(rollout.plan())

    def there(self) -> bool:
        """Whether the operator is on the cluster."""
        return self.cluster.get(Ref("v1", "ConfigMap", PLACE, "keeper")) is not None

    def defined(self) -> dict[str, Any] | None:
        """The fields of the kind, or ``None`` when it is not defined."""
        found = self.cluster.get(definitions.ref(PONDS))
        if found is None:
            return None
        schema = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        return dict(schema["properties"]["spec"]["properties"])

    def _serve(self, ref: Ref) -> None:
        """As the API server does with a definition."""
        found = self.cluster.get(ref)
        if ref.kind == definitions.KIND and found is not None and not definitions.established(found):
            found["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
            self.cluster.put(found)
