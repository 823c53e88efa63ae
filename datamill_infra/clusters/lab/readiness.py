"""Whether a lab works, by asking it; and waiting until it does, with a budget and an explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datamill_infra.clusters.commands import ClusterError
from datamill_infra.clusters.lab import processes
from datamill_infra.clusters.provider import Check

if TYPE_CHECKING:
    from collections.abc import Callable

    from datamill_infra.clusters.lab.api import ApiServer
    from datamill_infra.clusters.lab.layout import Lab

# Ten seconds on an idle machine; many times that where others compute.
READY_SECONDS = 300.0
POLL_SECONDS = 0.2


def checks(api: ApiServer, lab: Lab) -> tuple[Check, ...]:
    """Ask for the API server, the node, the name server and the default storage class, and look at the processes."""
    found = [_processes(lab)]
    if refused := api.ready():
        return (*found, Check("API server", passed=False, answer=refused))
    found.append(Check("API server", passed=True, answer=f"ready at {lab.server}"))
    for ask in (_node, _names, _storage):
        try:
            found.append(ask(api, lab))
        except ClusterError as error:
            found.append(Check(ask.__name__.strip("_"), passed=False, answer=error.reason))
    return tuple(found)


def wait_until_ready(
    lab: Lab,
    subject: str,
    ask: Callable[[Lab], str | None],
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    seconds: float = READY_SECONDS,
) -> None:
    """Ask until nothing is wrong any more.

    Args:
        lab: which one.
        subject: what is waited for.
        ask: says what is wrong, or ``None``.
        clock: monotonic seconds.
        sleep: waits.
        seconds: the budget.

    Raises:
        ClusterError: it is not ready within the budget; with the last answer, and the logs of servers that ended.
    """
    deadline = clock() + seconds
    while (wrong := ask(lab)) is not None:
        if clock() >= deadline or processes.find_init(lab) is None:
            raise ClusterError(
                f"The {subject} of the lab {lab.name} was not ready within {seconds:.0f} s. Last: {wrong}{_ended(lab)}",
                instruction=f"The logs are in {lab.path('log')}. `datamill cluster create` goes on from here,"
                " `datamill cluster delete` removes it.",
            )
        sleep(POLL_SECONDS)


def _ended(lab: Lab) -> str:
    told = ""
    for name, facts in processes.servers(lab).items():
        if facts["pid"] is None or facts["starts"] > 1:
            last = "\n    ".join(processes.last_words(lab, name))
            told += f"\n  {name} {facts['ended']} ({facts['starts']} starts):\n    {last}"
    if processes.find_init(lab) is None:
        told += "\n  The node's first process has ended:\n    " + "\n    ".join(processes.last_words(lab, "node"))
    return told


def _processes(lab: Lab) -> Check:
    facts = processes.servers(lab)
    dead = [f"{name} {fact['ended'] or 'not started'}" for name, fact in facts.items() if fact["pid"] is None]
    again = [f"{name} {fact['starts'] - 1}x" for name, fact in facts.items() if fact["starts"] > 1]
    answer = "; ".join(dead) or f"{len(facts)} run"
    if again:
        answer += f" (started again: {', '.join(again)})"
    return Check("processes", passed=bool(facts) and not dead, answer=answer)


def _node(api: ApiServer, lab: Lab) -> Check:
    nodes = {node["metadata"]["name"]: node for node in api.get("/api/v1/nodes")["items"]}
    if lab.node not in nodes:
        return Check(f"node {lab.node}", passed=False, answer="not registered yet")
    condition = _condition(nodes[lab.node], "Ready")
    return Check(
        f"node {lab.node}", passed=condition.get("status") == "True", answer=condition.get("message", "unknown")
    )


def _names(api: ApiServer, _: Lab) -> Check:
    deployment = api.get("/apis/apps/v1/namespaces/kube-system/deployments/coredns")
    available = deployment.get("status", {}).get("availableReplicas", 0)
    if available:
        return Check("name server", passed=True, answer=f"{available} available")
    pods = api.get("/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns")["items"]
    states = [_pod(pod) for pod in pods]
    return Check("name server", passed=False, answer="; ".join(states) or "no pod yet")


def _storage(api: ApiServer, _: Lab) -> Check:
    mark = "storageclass.kubernetes.io/is-default-class"
    classes = api.get("/apis/storage.k8s.io/v1/storageclasses")["items"]
    default = [c["metadata"]["name"] for c in classes if c["metadata"].get("annotations", {}).get(mark) == "true"]
    return Check("default storage class", passed=len(default) == 1, answer=", ".join(default) or "none")


def _condition(thing: dict[str, Any], kind: str) -> dict[str, Any]:
    conditions = thing.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == kind), {})


def _pod(pod: dict[str, Any]) -> str:
    name = pod["metadata"]["name"]
    for container in pod.get("status", {}).get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting")
        if waiting:
            return f"{name} waits: {waiting.get('reason')} {waiting.get('message', '')}".strip()
    return f"{name} is {pod.get('status', {}).get('phase', 'unknown')}, not ready yet"
