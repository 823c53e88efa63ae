from __future__ import annotations

from typing import Any

from datamill_infra.kubernetes.fit import demands, free, shortfalls


def node(name: str, cpu: str = "2", memory: str = "4Gi", **spec: object) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": spec,
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory, "pods": "10"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def containers(*amounts: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"resources": {"requests": {"cpu": cpu, "memory": memory}}} for cpu, memory in amounts]


def workload(name: str, cpu: str, memory: str, replicas: int = 1) -> dict[str, Any]:
    spec = {"replicas": replicas, "template": {"spec": {"containers": containers((cpu, memory))}}}
    return {"kind": "StatefulSet", "metadata": {"name": name}, "spec": spec}


def pod(node: str, cpu: str, memory: str, phase: str = "Running") -> dict[str, Any]:
    return {"spec": {"nodeName": node, "containers": containers((cpu, memory))}, "status": {"phase": phase}}


def told(items: list[dict[str, Any]], nodes: list[dict[str, Any]], pods: list[dict[str, Any]]) -> list[str]:
    return shortfalls(demands(items), free(nodes, pods))


def test_what_fits_is_not_told() -> None:
    assert [] == told([workload("a", "1", "3Gi"), workload("b", "500m", "512Mi")], [node("n")], [])


def test_what_does_not_fit_is_told_with_the_numbers() -> None:
    assert ["StatefulSet a asks for 1.5 CPU, 3072 MiB memory; n has 1 CPU, 2048 MiB memory, 9 pods left."] == told(
        [workload("a", "1500m", "3Gi")], [node("n")], [pod("n", "1", "2Gi")]
    )


def test_pods_that_have_ended_take_no_room() -> None:
    assert [] == told([workload("a", "2", "4Gi")], [node("n")], [pod("n", "1", "2Gi", "Succeeded")])


def test_the_room_of_several_nodes_is_not_added_up() -> None:
    nodes = [node("m"), node("n")]
    assert [] == told([workload("a", "2", "4Gi", replicas=2)], nodes, [])
    assert 1 == len(told([workload("a", "3", "1Gi")], nodes, []))


def test_pods_that_were_placed_take_room() -> None:
    assert 1 == len(told([workload("a", "2", "4Gi", replicas=3)], [node("m"), node("n")], []))


def test_a_node_that_takes_no_pods_has_no_room() -> None:
    closed = node("n", taints=[{"key": "x", "effect": "NoSchedule"}])
    assert "no node of the cluster takes pods" in told([workload("a", "1", "1Gi")], [closed], [])[0]
    assert (
        "no node of the cluster takes pods" in told([workload("a", "1", "1Gi")], [node("n", unschedulable=True)], [])[0]
    )


def test_a_limit_alone_counts_and_the_largest_first_container_does() -> None:
    spec = {"containers": [{"resources": {"limits": {"cpu": "1"}}}], "initContainers": containers(("3", "1Gi"))}
    item = {"kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": {"spec": spec}}}
    assert "asks for 3 CPU, 1024 MiB memory" in told([item], [node("n")], [])[0]


def test_an_extended_resource_that_no_node_has_is_told() -> None:
    item = workload("a", "1", "1Gi")
    item["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["nvidia.com/gpu"] = "1"
    assert (
        "1 nvidia.com/gpu; n has 2 CPU, 4096 MiB memory, 0 nvidia.com/gpu, 10 pods left"
        in told([item], [node("n")], [])[0]
    )
