from __future__ import annotations

from decimal import Decimal

import pytest

from datamill_infra.kubernetes.fit import demands, free, shortfalls
from datamill_infra.kubernetes.objects import Object
from datamill_infra.kubernetes.quotas import exceeded
from datamill_infra.kubernetes.volumes import asked, attachable, missing_classes, with_volumes

ASKS = "StatefulSet kafka asks for a volume of 8Gi"
DISKS = "volumes of disks.example.org"


def storage_class(name: str, *, default: bool = False) -> Object:
    annotations = {"storageclass.kubernetes.io/is-default-class": str(default).lower()}
    return {"metadata": {"name": name, "annotations": annotations}, "provisioner": "disks.example.org"}


def workload(wanted: str = "", replicas: int = 1) -> Object:
    spec = {"resources": {"requests": {"storage": "8Gi"}}, **({"storageClassName": wanted} if wanted else {})}
    requests = {"cpu": "1", "memory": "1Gi"}
    return {
        "kind": "StatefulSet",
        "metadata": {"name": "kafka"},
        "spec": {
            "replicas": replicas,
            "template": {"spec": {"containers": [{"resources": {"requests": requests}}]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": spec}],
        },
    }


@pytest.mark.parametrize(
    ("wanted", "classes", "told"),
    [
        ("", [storage_class("standard", default=True)], []),
        ("fast", [storage_class("fast")], []),
        (
            "fast",
            [storage_class("standard", default=True)],
            [f"{ASKS} of the storage class 'fast', which the cluster does not have; it has standard."],
        ),
        (
            "",
            [storage_class("standard")],
            [f"{ASKS} and names no storage class, and the cluster has no default one; it has standard."],
        ),
    ],
)
def test_a_volume_without_a_storage_class_is_told(wanted: str, classes: list[Object], told: list[str]) -> None:
    assert told == missing_classes(asked([workload(wanted)]), classes)


def node(name: str) -> Object:
    return {
        "metadata": {"name": name},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "10"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def csi_node(name: str, count: int) -> Object:
    driver = {"name": "disks.example.org", "allocatable": {"count": count}}
    return {"metadata": {"name": name}, "spec": {"drivers": [driver]}}


def test_a_node_that_can_attach_no_more_volumes_has_no_room() -> None:
    classes = [storage_class("standard", default=True)]
    attached = [{"spec": {"nodeName": "n", "attacher": "disks.example.org"}}]
    left = attachable([csi_node("n", 2)], attached)
    assert {"n": {DISKS: Decimal(1)}} == left
    wanted = demands([workload(replicas=2)], lambda item: with_volumes(item, classes, left))
    (told,) = shortfalls(wanted, free([node("n")], [], left))
    assert f"asks for 1 CPU, 1024 MiB memory, 1 {DISKS}" in told
    assert f"0 {DISKS} left" in told


def test_volumes_of_a_maker_without_a_limit_are_not_counted() -> None:
    classes = [storage_class("standard", default=True)]
    assert {} == with_volumes(workload(), classes, {})


def quota(hard: dict[str, str], used: dict[str, str], **spec: object) -> Object:
    return {"metadata": {"name": "small"}, "spec": spec, "status": {"hard": hard, "used": used}}


def test_a_quota_that_would_be_exceeded_is_told_with_the_numbers() -> None:
    found = quota({"requests.memory": "2Gi", "pods": "5"}, {"requests.memory": "1536Mi", "pods": "1"})
    assert ["The pods ask for 1024 MiB memory in total; the quota small has 512 MiB memory left."] == exceeded(
        demands([workload()]), [found]
    )


def test_what_goes_makes_room_in_a_quota_and_a_quota_for_some_pods_does_not_count() -> None:
    full = quota({"requests.memory": "1Gi"}, {"requests.memory": "1Gi"})
    assert [] == exceeded(demands([workload()]), [full], demands([workload()]))
    assert [] == exceeded(demands([workload()]), [{**full, "spec": {"scopes": ["BestEffort"]}}])
