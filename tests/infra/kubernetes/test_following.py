from __future__ import annotations

import itertools
from collections.abc import Iterator

from datamill_infra.kubernetes.errors import UnreachableError
from datamill_infra.kubernetes.following import follow
from datamill_infra.kubernetes.memory import MemoryCluster
from datamill_infra.kubernetes.objects import Object


def pod(name: str, restarts: int = 0, *, state: str = "running") -> Object:
    status = {"name": "main", "state": {state: {}}, "restartCount": restarts}
    return {"metadata": {"name": name, "namespace": "mill", "uid": name}, "status": {"containerStatuses": [status]}}


class Spoken(MemoryCluster):
    """Remembers from where it was read; a pod called ``lost`` cannot be."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[tuple[str, bool]] = []

    def follow_log(self, namespace: str, pod: str, container: str, *, new_only: bool) -> Iterator[str]:
        del namespace, container
        self.read.append((pod, new_only))
        if pod == "lost":
            raise UnreachableError("It is away.", instruction="Wait.")
        yield f"hello from {pod}"


def test_containers_are_read_as_they_start_each_start_once() -> None:
    cluster = Spoken()
    looks = iter(
        [[pod("a")], [pod("a"), pod("b", state="waiting")], [pod("a", 1), pod("b")], *itertools.repeat([], 99)]
    )
    found = list(itertools.islice(follow(cluster, lambda: next(looks), seconds=0.05), 3))
    assert {("a/main", "hello from a"), ("b/main", "hello from b")} == set(found)
    assert [("a", True)] == cluster.read[:1]
    assert {("a", False), ("b", False)} == set(cluster.read[1:])


def test_a_container_that_cannot_be_read_says_why() -> None:
    looks = iter([[pod("lost")], *itertools.repeat([], 99)])
    assert ("lost/main", "(It is away.)") == next(follow(Spoken(), lambda: next(looks), seconds=0.05))
