from __future__ import annotations

from datamill_infra.kubernetes.memory import MemoryCluster
from datamill_infra.kubernetes.objects import Object, Ref
from datamill_infra.kubernetes.survey import Survey


class Counted(MemoryCluster):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def get(self, ref: Ref) -> Object | None:
        self.asked.append(f"get {ref} in {ref.namespace}")
        return super().get(ref)

    def find(self, api_version: str, kind: str, namespace: str = "", labels: str = "") -> list[Object]:
        self.asked.append(f"list {kind} in {namespace} {labels}".rstrip())
        return super().find(api_version, kind, namespace, labels)


def put(cluster: MemoryCluster, kind: str, namespace: str, name: str, **labels: str) -> None:
    cluster.put(
        {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace, "labels": labels}}
    )


def test_a_namespace_is_listed_once_per_kind_and_answers_as_the_server_does() -> None:
    cluster = Counted()
    put(cluster, "Secret", "mill", "one", app="a")
    put(cluster, "Secret", "mill", "two", app="b", tier="c")
    put(cluster, "Secret", "elsewhere", "three", app="a")
    survey = Survey(cluster, "mill", [("v1", "Secret")])
    wanted = ["", "app=a", "app=b,tier=c", "app=z"]
    assert [cluster.find("v1", "Secret", "mill", one) for one in wanted] == [
        survey.find("v1", "Secret", "mill", one) for one in wanted
    ]
    for name in ("one", "absent"):
        ref = Ref("v1", "Secret", "mill", name)
        assert MemoryCluster.get(cluster, ref) == survey.get(ref)
    assert ["list Secret in mill"] == cluster.asked[len(wanted) :]


def test_other_namespaces_and_kinds_are_asked_for_each_time() -> None:
    cluster = Counted()
    put(cluster, "Secret", "elsewhere", "three", app="a")
    put(cluster, "ConfigMap", "mill", "four")
    survey = Survey(cluster, "mill", [("v1", "Secret")])
    assert survey.get(Ref("v1", "Secret", "elsewhere", "three"))
    assert survey.find("v1", "ConfigMap", "mill", "app=a") == []
    assert ["get Secret three in elsewhere", "list ConfigMap in mill app=a"] == cluster.asked
