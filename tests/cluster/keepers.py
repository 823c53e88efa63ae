"""Deployments on a real cluster that share a small operator, ``keeper``, which defines the kind ``Pond``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from datamill_infra.drivers.passes import Outcome
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.kubernetes import definitions
from datamill_infra.kubernetes.api import ApiServer
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
  units:
    - name: keeper
      kind: chart
      source: local:charts/keeper
      version: "VERSION"
      namespace: keepers
      scope: cluster
      crds: upgrade
      ready: [{established: [ponds.example.org], seconds: 30}]
    - name: pond
      kind: resources
      objects:
        - apiVersion: example.org/v1
          kind: Pond
          metadata: {name: mine}
          spec: {depth: 3}
connection: {}
"""
LABELS = """
  labels:
    app.kubernetes.io/instance: {{ .Release.Name }}
    app.kubernetes.io/managed-by: {{ .Release.Service }}
    helm.sh/chart: keeper-{{ .Chart.Version }}
"""
TEMPLATE = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: keeper"
    + LABELS
    + "data: {version: {{ .Chart.Version | quote }}}\n---\n"
    + "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: keeper"
    + LABELS
    + "rules: [{apiGroups: [example.org], resources: [ponds], verbs: [get]}]\n"
)


def definition(*fields: str) -> Object:
    """Of the kind ``Pond``, with these whole numbers in its ``spec``."""
    spec = {"type": "object", "properties": {name: {"type": "integer"} for name in fields}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "ponds", "singular": "pond", "kind": "Pond", "listKind": "PondList"}
    return {
        "apiVersion": definitions.API_VERSION,
        "kind": definitions.KIND,
        "metadata": {"name": PONDS},
        "spec": {"group": "example.org", "scope": "Namespaced", "names": names, "versions": [version]},
    }


@dataclass
class Keepers:
    """One deployment; ``mill`` is its namespace."""

    home: Path
    context: str
    mill: str
    fields: tuple[str, ...] = ("depth", "width")
    lossy: bool = False
    cluster: ApiServer = field(init=False)

    def __post_init__(self) -> None:
        self.cluster = ApiServer(self.context)
        (self.home / "flavours").mkdir(parents=True)
        (self.home / "flavours" / "marsh.yaml").write_text("title: Marsh\nsummary: One.\ncomponents: [keeper]\n")
        namespaces = {"system": self.mill, "runs": f"{self.mill}-runs"}
        file = {"flavour": "marsh", "target": "lab", "context": self.context, "namespaces": namespaces}
        (self.home / "deployment.yaml").write_text(yaml.safe_dump(file))
        self.write("1.0.0")

    def write(self, version: str) -> None:
        """The component with this version of its chart."""
        folder = self.home / "catalogue" / "keeper"
        chart = folder / "charts" / "keeper"
        for name in ("crds", "templates"):
            (chart / name).mkdir(parents=True, exist_ok=True)
        (folder / "component.yaml").write_text(COMPONENT.replace("VERSION", version))
        (chart / "Chart.yaml").write_text(f"apiVersion: v2\nname: keeper\nversion: {version}\n")
        (chart / "crds" / "ponds.yaml").write_text(yaml.safe_dump(definition(*self.fields)))
        (chart / "templates" / "all.yaml").write_text(TEMPLATE)

    @property
    def rollout(self) -> Rollout:
        deployment = Deployment.load(self.home)
        deployment.state_dir.mkdir(exist_ok=True)
        return Rollout(deployment, lossy=self.lossy)

    def up(self) -> Outcome:
        return self.rollout.up()["keeper"]

    def down(self, *, delete_data: bool = False) -> Outcome:
        return self.rollout.down(delete_data=delete_data)["keeper"]

    def version(self) -> str | None:
        """Of the operator that is there."""
        found = self.cluster.get(Ref("v1", "ConfigMap", PLACE, "keeper"))
        return str(found["data"]["version"]) if found else None

    def pond(self) -> Object | None:
        """The deployment's own object of the kind."""
        return self.cluster.get(Ref("example.org/v1", "Pond", self.mill, "mine"))

    def defined(self) -> set[str]:
        """The fields of the kind; none when it is not defined."""
        found = self.cluster.get(definitions.ref(PONDS))
        if found is None:
            return set()
        schema = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        return set(schema["properties"]["spec"]["properties"])
