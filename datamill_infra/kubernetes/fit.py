"""Whether pods fit onto the nodes of a cluster: what they ask for against what is free, node by node.

It answers like the scheduler does for pods without preferences: a pod goes to a node that is ready, takes pods, and has
enough of everything left. The largest pods are placed first.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kubernetes.utils.quantity import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from datamill_infra.kubernetes.objects import Object

    Amounts = Mapping[str, Decimal]
    """Resource to amount, e.g. ``cpu`` in cores and ``memory`` in bytes."""

PODS = "pods"
"""A node takes only so many."""

BLOCKING = frozenset({"NoSchedule", "NoExecute"})
ENDED = frozenset({"Succeeded", "Failed"})
WORKLOADS = frozenset({"Deployment", "StatefulSet", "Job"})
MEBI = 1024 * 1024


@dataclass(frozen=True)
class Demand:
    """One pod that is to be placed.

    Attributes:
        name: of its workload, for people.
        amounts: what it asks for.
    """

    name: str
    amounts: Amounts


def demands(items: Iterable[Object], more: Callable[[Object], Amounts] = lambda _: {}) -> list[Demand]:
    """The pods that workloads among rendered objects would have.

    Args:
        items: rendered objects.
        more: what a pod of a workload asks for besides what its containers do.
    """
    found = []
    for item in items:
        if item["kind"] in WORKLOADS:
            count = int(item["spec"].get("replicas", 1))
            amounts = {**_requests(item["spec"]["template"]["spec"]), **more(item)}
            found += [Demand(f"{item['kind']} {item['metadata']['name']}", amounts)] * count
    return found


def of_pods(pods: Iterable[Object]) -> list[Demand]:
    """What pods that are there, and have not ended, ask for."""
    there = [pod for pod in pods if pod.get("status", {}).get("phase") not in ENDED]
    return [Demand(f"Pod {pod['metadata']['name']}", _requests(pod["spec"])) for pod in there]


def free(
    nodes: Iterable[Object], pods: Iterable[Object], more: Mapping[str, Amounts] | None = None
) -> dict[str, dict[str, Decimal]]:
    """What each node that takes pods has left, by node.

    Args:
        nodes: of the cluster.
        pods: that are placed.
        more: what else a node has left, by node.
    """
    left = {
        str(node["metadata"]["name"]): {
            **{name: parse_quantity(amount) for name, amount in node["status"]["allocatable"].items()},
            **(more or {}).get(str(node["metadata"]["name"]), {}),
        }
        for node in nodes
        if _takes_pods(node)
    }
    for pod in pods:
        node = left.get(pod["spec"].get("nodeName", ""))
        if node is not None and pod.get("status", {}).get("phase") not in ENDED:
            for name, amount in _requests(pod["spec"]).items():
                node[name] = node.get(name, Decimal(0)) - amount
    return left


def shortfalls(wanted: Sequence[Demand], left: Mapping[str, Mapping[str, Decimal]]) -> list[str]:
    """Which pods find no node, one sentence each with the numbers; empty when all fit."""
    nodes = {name: dict(amounts) for name, amounts in left.items()}
    told = []
    for demand in sorted(wanted, key=lambda one: one.amounts.get("memory", Decimal(0)), reverse=True):
        place = next((node for node in nodes.values() if _fits(demand.amounts, node)), None)
        if place is None:
            told.append(_told(demand, nodes))
            continue
        for name, amount in demand.amounts.items():
            place[name] = place.get(name, Decimal(0)) - amount
    return told


def _told(demand: Demand, nodes: Mapping[str, Mapping[str, Decimal]]) -> str:
    shown = [amount_told(name, amount) for name, amount in sorted(demand.amounts.items()) if name != PODS]
    asked = ", ".join(shown) or "nothing"
    if not nodes:
        return f"{demand.name} asks for {asked}, and no node of the cluster takes pods."
    there = "; ".join(
        f"{node} has {', '.join(amount_told(name, left.get(name, Decimal(0))) for name in sorted(demand.amounts))} left"
        for node, left in nodes.items()
    )
    return f"{demand.name} asks for {asked}; {there}."


def _fits(amounts: Amounts, node: Mapping[str, Decimal]) -> bool:
    return all(node.get(name, Decimal(0)) >= amount for name, amount in amounts.items())


def _requests(spec: Mapping[str, Any]) -> dict[str, Decimal]:
    """What the pods of a template ask for: of all containers together, or of the largest that runs before them."""
    total = _summed(spec.get("containers") or [])
    for container in spec.get("initContainers") or []:
        for name, amount in _summed([container]).items():
            total[name] = max(total.get(name, Decimal(0)), amount)
    total[PODS] = Decimal(1)
    return total


def _summed(containers: Iterable[Mapping[str, Any]]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = defaultdict(Decimal)
    for container in containers:
        given = container.get("resources") or {}
        asked = {**(given.get("limits") or {}), **(given.get("requests") or {})}  # a limit alone is a request, too
        for name, amount in asked.items():
            total[name] += parse_quantity(str(amount))
    return total


def _takes_pods(node: Object) -> bool:
    if node["spec"].get("unschedulable"):
        return False
    if any(taint.get("effect") in BLOCKING for taint in node["spec"].get("taints") or []):
        return False
    return any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"].get("conditions") or [])


def amount_told(name: str, amount: Decimal) -> str:
    """An amount of a resource, for people."""
    if name == "cpu":
        return f"{float(amount):g} CPU"
    if name in ("memory", "ephemeral-storage"):
        return f"{int(amount / MEBI)} MiB {name}"
    return f"{amount:g} {name}"
