"""What NetworkPolicies allow, evaluated as an agent would, over the pods of rendered objects."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from datamill_infra.kubernetes.objects import Object, labels_of

ANYWHERE = ipaddress.ip_address("198.51.100.7")
"""Where a pod stands, for rules about addresses: in no network that a chart names."""


@dataclass(frozen=True)
class Pod:
    """One pod as policies see it; ``ports`` by name."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    ports: Mapping[str, int] = field(default_factory=dict)


def pods_of(objects: Iterable[Object], namespace: str) -> list[Pod]:
    """A pod of each workload."""
    found = []
    for item in objects:
        if "template" not in item.get("spec", {}):
            continue
        template = item["spec"]["template"]
        ports = [port for one in template["spec"]["containers"] for port in one.get("ports", ())]
        found.append(
            Pod(
                item["metadata"]["name"],
                item["metadata"].get("namespace", namespace),
                labels_of(template),
                {port["name"]: port["containerPort"] for port in ports},
            )
        )
    return found


@dataclass(frozen=True)
class Policies:
    """The NetworkPolicies among objects.

    Attributes:
        objects: rendered.
        namespace: of those that name none.
    """

    objects: tuple[Object, ...]
    namespace: str

    def allows(self, source: Pod, target: Pod, port: int) -> bool:
        """Whether a TCP connection is let out, and in."""
        return self._permits("Egress", source, target, port, target) and self._permits(
            "Ingress", target, source, port, target
        )

    def _permits(self, direction: str, subject: Pod, peer: Pod, port: int, listener: Pod) -> bool:
        concerned = [
            item["spec"]
            for item in self.objects
            if item["kind"] == "NetworkPolicy"
            and item["metadata"].get("namespace", self.namespace) == subject.namespace
            and direction in item["spec"]["policyTypes"]
            and _selects(item["spec"]["podSelector"], subject.labels)
        ]
        key, side = direction.lower(), "to" if direction == "Egress" else "from"
        return not concerned or any(
            self._peer(rule, side, subject, peer) and _port(rule, port, listener)
            for spec in concerned
            for rule in spec.get(key) or ()
        )

    def _peer(self, rule: Mapping[str, Any], side: str, subject: Pod, peer: Pod) -> bool:
        if side not in rule:
            return True
        for one in rule[side]:
            if "ipBlock" in one:
                if ANYWHERE in ipaddress.ip_network(one["ipBlock"]["cidr"]):
                    return True
                continue
            wanted = one.get("namespaceSelector")
            here = peer.namespace == subject.namespace
            if wanted is not None:
                here = _selects(wanted, {"kubernetes.io/metadata.name": peer.namespace})
            if here and _selects(one.get("podSelector", {}), peer.labels):
                return True
        return False


def _port(rule: Mapping[str, Any], port: int, listener: Pod) -> bool:
    if "ports" not in rule:
        return True
    return any(
        entry["protocol"] == "TCP" and port == listener.ports.get(entry["port"], entry["port"])
        for entry in rule["ports"]
    )


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for one in selector.get("matchExpressions", ()):
        if one["operator"] != "In":
            raise NotImplementedError(one)
        if labels.get(one["key"]) not in one["values"]:
            return False
    return True
