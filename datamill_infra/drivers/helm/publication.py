"""What those who run in the cluster know of the deployment: its file, and the connections of its capabilities.

The component that provides ``dagster`` has pods, and starts runs, that are at home in a deployment as other processes
are: ``deployment.yaml``, the user's ``flavours``, ``state/connections.json``, and a file per secret in
``state/secrets``. They get these from ConfigMaps and a Secret, in the deployment's namespace and in that of runs, where
there also is a copy of the Secret with what the component itself needs. Declared connections are written: they are the
same before everything is up, and whoever uses one probes it.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from datamill_infra.drivers.helm.records import COMPONENT_LABEL
from datamill_infra.kubernetes.objects import MANAGED_BY_LABEL, PART_OF_LABEL, Ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from datamill_infra.kubernetes.cluster import Cluster, Reader
    from datamill_infra.kubernetes.objects import Object
    from datamill_infra.model.connections import Connection
    from datamill_infra.model.deployment import Deployment

FOR = "dagster"
"""Whoever provides it on the cluster has the deployment published for it."""

WITHHELD = frozenset({"dagster", "postgres"})
"""Capabilities whose connection, as everybody sees it, is that of an administrator."""

RUN_LABEL = "app.kubernetes.io/name=datamill-run"
"""What the chart has runs labelled with."""

CONFIG_MAP = "datamill-deployment"
FLAVOURS = "datamill-flavours"
SECRET = "datamill-secrets"  # noqa: S105  (its name)


class Publication:
    """ConfigMap and Secrets of one deployment for those who run in the cluster.

    Args:
        deployment: which.
        cluster: where.
    """

    def __init__(self, deployment: Deployment, cluster: Cluster) -> None:
        self.deployment, self.cluster = deployment, cluster
        namespaces = deployment.definition.file.namespaces
        self.namespaces = (namespaces.system, namespaces.runs)

    def concerns(self, component: str) -> bool:
        """Whether the deployment is published for a component."""
        member = self.deployment.resolution.members[component]
        return member.provider == "helm" and FOR in member.spec.provides

    def connections(self) -> dict[str, Connection]:
        """Capability to connection, for pipelines."""
        declared = self.deployment.declared_connections({})
        return {name: connection for name, connection in declared.items() if name not in WITHHELD}

    def told(self, component: str) -> list[Connection]:
        """The connections whose secrets are published for a component; none where nothing is."""
        if not self.concerns(component):
            return []
        return [*self.connections().values(), *self.deployment.needs(component, {}).values()]

    def differences(self, component: str, secrets: Mapping[str, str], reader: Reader) -> list[str]:
        """A clause for each object that is missing or has something else in it; no values.

        Args:
            component: for whom.
            secrets: of the deployment, by full name.
            reader: of the cluster.
        """
        return [
            f"{item['kind']} {item['metadata']['name']} in {item['metadata']['namespace']} "
            + ("is missing" if there is None else "is not as published")
            for item, there in self._compared(component, secrets, reader)
            if there is None or there.get("data") != item["data"]
        ]

    def write(self, component: str, secrets: Mapping[str, str]) -> None:
        """Write what is not as it should be, and nothing else.

        Args:
            component: for whom.
            secrets: of the deployment, by full name.
        """
        for item, there in self._compared(component, secrets, self.cluster):
            if there is None or there.get("data") != item["data"]:
                self.cluster.apply(item)

    def remove(self, component: str) -> None:
        """Delete all of it."""
        wanted = f"{COMPONENT_LABEL}={component},{MANAGED_BY_LABEL}=datamill"
        for namespace in self.namespaces:
            for kind in ("ConfigMap", "Secret"):
                for item in self.cluster.find("v1", kind, namespace, wanted):
                    self.cluster.delete(Ref.of(item))

    def runs(self) -> list[Ref]:
        """Jobs of runs and steps, and their pods, that are there; the platform's are in the deployment's namespace."""
        system, runs = self.namespaces
        labels = {system: f"{PART_OF_LABEL}=datamill,{RUN_LABEL}", runs: f"{PART_OF_LABEL}=datamill"}
        kinds = (("batch/v1", "Job"), ("v1", "Pod"))
        return [
            Ref.of(item)
            for namespace, label in labels.items()
            for kind in kinds
            for item in self.cluster.find(*kind, namespace, label)
        ]

    def end_runs(self) -> None:
        """Delete the jobs; their pods go with them. Nobody would know of them without what started them."""
        for ref in self.runs():
            if ref.kind == "Job":
                self.cluster.delete(ref)

    def _compared(
        self, component: str, secrets: Mapping[str, str], reader: Reader
    ) -> Iterator[tuple[Object, Object | None]]:
        if not self.concerns(component):
            return
        for item in self._objects(component, secrets):
            yield item, reader.get(Ref.of(item))

    def _objects(self, component: str, secrets: Mapping[str, str]) -> Iterator[Object]:
        published = self.connections()
        files = {
            "deployment.yaml": self.deployment.deployment_file.read_text(encoding="utf-8"),
            "connections.json": json.dumps({name: one.to_dict() for name, one in sorted(published.items())}, indent=2),
        }
        flavours = {
            file.name: file.read_text(encoding="utf-8") for file in sorted(self.deployment.flavour_dir.glob("*.yaml"))
        }
        named = {secret for one in published.values() for secret in one.secrets.values()}
        for namespace in self.namespaces:
            yield _object("ConfigMap", component, namespace, CONFIG_MAP, files)
            if flavours:
                yield _object("ConfigMap", component, namespace, FLAVOURS, flavours)
            yield _object("Secret", component, namespace, SECRET, _encoded({name: name for name in named}, secrets))
        needs = {
            f"{capability}.{field}": secret
            for capability, connection in self.deployment.needs(component, {}).items()
            for field, secret in connection.secrets.items()
        }
        yield _object("Secret", component, self.namespaces[1], f"{component}-connections", _encoded(needs, secrets))


def _encoded(names: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """Key to value as a Secret has it; a secret that is not there yet is left out."""
    return {
        key: base64.b64encode(secrets[full].encode()).decode() for key, full in sorted(names.items()) if full in secrets
    }


def _object(kind: str, component: str, namespace: str, name: str, data: Mapping[str, str]) -> Object:
    labels = {MANAGED_BY_LABEL: "datamill", PART_OF_LABEL: "datamill", COMPONENT_LABEL: component}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": dict(data)}
