"""Whether volumes that rendered objects ask for can be had: their storage classes, and how many a node can attach."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from datamill_infra.kubernetes.objects import annotations_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from datamill_infra.kubernetes.objects import Object

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


@dataclass(frozen=True)
class Asked:
    """A volume that is asked for.

    Attributes:
        subject: by whom, for people.
        claim: name of the claim.
        storage_class: empty for the default one.
        size: as it is written.
        replicas: how many pods want one each.
    """

    subject: str
    claim: str
    storage_class: str
    size: str
    replicas: int


def asked(items: Iterable[Object]) -> Iterator[Asked]:
    """The volumes that claims and workloads among rendered objects ask for."""
    for item in items:
        subject = f"{item['kind']} {item['metadata']['name']}"
        if item["kind"] == "PersistentVolumeClaim":
            yield _asked(subject, item, 1)
        if item["kind"] == "StatefulSet":
            for template in item["spec"].get("volumeClaimTemplates") or []:
                yield _asked(subject, template, int(item["spec"].get("replicas", 1)))


def is_default(storage_class: Object) -> bool:
    """Whether claims that name no class get this one."""
    return annotations_of(storage_class).get(DEFAULT_CLASS) == "true"


def missing_classes(wanted: Iterable[Asked], classes: Sequence[Object]) -> list[str]:
    """Which volumes have no storage class, one sentence each."""
    names = sorted(str(one["metadata"]["name"]) for one in classes)
    there = f"it has {', '.join(names)}" if names else "it has none"
    told = []
    for one in wanted:
        volume = f"{one.subject} asks for a volume of {one.size}"
        if one.storage_class and one.storage_class not in names:
            told.append(
                f"{volume} of the storage class {one.storage_class!r}, which the cluster does not have; {there}."
            )
        elif not one.storage_class and not any(is_default(item) for item in classes):
            told.append(f"{volume} and names no storage class, and the cluster has no default one; {there}.")
    return told


def resource_of(storage_class: str, classes: Iterable[Object]) -> str:
    """How volumes of a class are counted on a node, among what pods ask for; empty when the class is not there."""
    for one in classes:
        if one["metadata"]["name"] == storage_class or (not storage_class and is_default(one)):
            return _resource(str(one["provisioner"]))
    return ""


def attachable(csi_nodes: Iterable[Object], attachments: Iterable[Object]) -> dict[str, dict[str, Decimal]]:
    """How many more volumes each node can attach, for makers of volumes that say how many there can be.

    Args:
        csi_nodes: what each node says about its drivers.
        attachments: of volumes to nodes, as they are.
    """
    used = Counter((str(one["spec"]["nodeName"]), str(one["spec"]["attacher"])) for one in attachments)
    left: dict[str, dict[str, Decimal]] = {}
    for one in csi_nodes:
        node = str(one["metadata"]["name"])
        for driver in one["spec"].get("drivers") or []:
            count = (driver.get("allocatable") or {}).get("count")
            if count is not None:
                taken = used[node, str(driver["name"])]
                left.setdefault(node, {})[_resource(str(driver["name"]))] = Decimal(int(count) - taken)
    return left


def with_volumes(
    item: Object, classes: Sequence[Object], limited: Mapping[str, Mapping[str, Decimal]]
) -> dict[str, Decimal]:
    """What a pod of a workload asks for in volumes that are limited per node."""
    counted: dict[str, Decimal] = {}
    known = {name for amounts in limited.values() for name in amounts}
    for one in asked([item]):
        name = resource_of(one.storage_class, classes)
        if name in known:
            counted[name] = counted.get(name, Decimal(0)) + 1
    return counted


def _resource(driver: str) -> str:
    return f"volumes of {driver}"


def _asked(subject: str, claim: Object, replicas: int) -> Asked:
    spec = claim["spec"]
    size = str(((spec.get("resources") or {}).get("requests") or {}).get("storage", "unknown size"))
    return Asked(subject, str(claim["metadata"]["name"]), str(spec.get("storageClassName") or ""), size, replicas)
