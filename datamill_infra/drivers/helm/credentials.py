"""Generated secrets as Kubernetes Secrets: charts refer to them by name and never carry a value.

A component's own are where its ``helm.secrets`` says. What it needs of others is in ``<component>-connections``, under
``<capability>.<field>``: a copy for each consumer, so that nobody reads a Secret with more in it than it claimed.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from datamill_infra.drivers.helm.records import COMPONENT_LABEL
from datamill_infra.kubernetes.objects import MANAGED_BY_LABEL, PART_OF_LABEL, Ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from datamill_infra.kubernetes.cluster import Cluster, Reader
    from datamill_infra.kubernetes.objects import Object
    from datamill_infra.model.deployment import Deployment


class Credentials:
    """The Secrets of one deployment.

    Args:
        deployment: whose.
        cluster: where.
    """

    def __init__(self, deployment: Deployment, cluster: Cluster) -> None:
        self.deployment, self.cluster = deployment, cluster
        self.namespace = deployment.definition.file.namespaces.system

    def known(self, component: str) -> dict[str, str]:
        """The component's secrets that are on the cluster, by full name."""
        found: dict[str, str] = {}
        for name, keys in self._wanted(component).items():
            secret = self.cluster.get(self._ref(name))
            data = (secret or {}).get("data") or {}
            found |= {full: base64.b64decode(data[key]).decode() for key, full in keys.items() if key in data}
        return found

    def names(self, component: str) -> list[str]:
        """The Secrets that are made for a component."""
        return list(self._wanted(component))

    def differences(self, component: str, secrets: Mapping[str, str], reader: Reader) -> list[str]:
        """A clause for each Secret that lacks a key or has another value; read from ``reader``."""
        return [
            f"Secret {name} " + ("is missing" if there is None else "has not the deployment's values")
            for name, there, wanted in self._compared(component, secrets, reader)
            if there is None or any((there.get("data") or {}).get(key) != value for key, value in wanted.items())
        ]

    def write(self, component: str, secrets: Mapping[str, str]) -> None:
        """Make the Secrets, or give them what they lack; nothing is written when they are as wanted.

        Args:
            component: whose.
            secrets: of the deployment, by full name.
        """
        for name, there, wanted in self._compared(component, secrets, self.cluster):
            data = (there or {}).get("data") or {}
            if all(data.get(key) == value for key, value in wanted.items()):
                continue
            labels = {MANAGED_BY_LABEL: "datamill", PART_OF_LABEL: "datamill", COMPONENT_LABEL: component}
            metadata = {"name": name, "namespace": self.namespace, "labels": labels}
            self.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": wanted})

    def remove(self, component: str) -> None:
        """Delete every Secret that was made for a component."""
        for secret in self.cluster.find(
            "v1", "Secret", self.namespace, f"{COMPONENT_LABEL}={component},{MANAGED_BY_LABEL}=datamill"
        ):
            self.cluster.delete(Ref.of(secret))

    def _compared(
        self, component: str, secrets: Mapping[str, str], reader: Reader
    ) -> Iterator[tuple[str, Object | None, dict[str, str]]]:
        for name, keys in self._wanted(component).items():
            wanted = {
                key: base64.b64encode(secrets[full].encode()).decode() for key, full in keys.items() if full in secrets
            }
            yield name, reader.get(self._ref(name)), wanted

    def _wanted(self, component: str) -> dict[str, dict[str, str]]:
        """Secret to key to the full name of what it holds: the component's own, and what it needs of others."""
        member = self.deployment.resolution.members[component]
        found: dict[str, dict[str, str]] = {}
        if member.provider != "helm" or member.spec.helm is None:
            return found
        part = member.spec.helm.selected(member.variant)
        for name, place in part.secrets.items():
            found.setdefault(place.secret, {})[place.key] = f"{component}.{name}"
        if part.units:
            for capability, connection in self.deployment.needs(component, {}).items():
                for field, secret in connection.secrets.items():
                    found.setdefault(f"{component}-connections", {})[f"{capability}.{field}"] = secret
        return found

    def _ref(self, name: str) -> Ref:
        return Ref("v1", "Secret", self.namespace, name)
