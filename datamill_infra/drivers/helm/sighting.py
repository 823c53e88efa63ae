"""What is on a cluster of one release, compared with what was rendered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from datamill_infra.drivers.helm.records import DEPLOYED
from datamill_infra.kubernetes import definitions
from datamill_infra.kubernetes.comparison import differences, fields
from datamill_infra.kubernetes.objects import INSTANCE_LABEL, MANAGED_BY_LABEL, Ref, annotations_of, selector
from datamill_infra.kubernetes.ownership import added_fields
from datamill_infra.kubernetes.pods import pods_of
from datamill_infra.kubernetes.readiness import stuck

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from datamill_infra.drivers.helm.records import Record
    from datamill_infra.drivers.helm.units import RenderedUnit
    from datamill_infra.kubernetes.cluster import Reader
    from datamill_infra.kubernetes.comparison import FieldDifference
    from datamill_infra.kubernetes.objects import Object
    from datamill_infra.kubernetes.ownership import AddedField

KINDS = (
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
)
"""Among these we look for objects that were added to a release, besides the kinds that it renders."""

WORKERS = 16
RELEASE_NAME = "meta.helm.sh/release-name"
RELEASE_NAMESPACE = "meta.helm.sh/release-namespace"


@dataclass(frozen=True)
class Sighting:
    """One release as it is.

    Attributes:
        unit: as it should be.
        record: Helm's latest record, or ``None``.
        missing: rendered objects that are not there.
        differing: rendered objects that differ, with their fields.
        added: fields that others put into rendered objects.
        extra: objects that carry the release's labels and were not rendered.
        strangers: objects in the place of rendered ones that Helm did not make for this release.
        stuck: pods of an older revision that do not run, and that no controller replaces.
    """

    unit: RenderedUnit
    record: Record | None
    missing: tuple[Ref, ...] = ()
    differing: Mapping[Ref, tuple[FieldDifference, ...]] = field(default_factory=dict)
    added: Mapping[Ref, tuple[AddedField, ...]] = field(default_factory=dict)
    extra: tuple[Ref, ...] = ()
    strangers: tuple[Ref, ...] = ()
    stuck: tuple[Ref, ...] = ()

    @property
    def exists(self) -> bool:
        """Whether anything of it is there."""
        mine = [ref for ref in self.missing if not definitions.is_definition(self.unit.by_ref[ref])]
        return self.record is not None or len(mine) < len(self.unit.objects)

    @property
    def managed(self) -> bool:
        """Whether everything that is there is ours."""
        return not self.strangers and (self.record is None or self.record.component == self.unit.component)

    @property
    def drift(self) -> tuple[str, ...]:
        """What is not as rendered, one sentence each."""
        name = self.unit.told
        told = [f"{name(ref)} is missing." for ref in self.missing]
        told += [f"{name(ref)}: {item}." for ref, items in self.differing.items() for item in items]
        told += [f"{name(ref)}: {item}." for ref, items in self.added.items() for item in items]
        told += [f"{name(ref)} was added." for ref in self.extra]
        told += [f"{name(ref)} is of an older revision and does not run." for ref in self.stuck]
        if self.record and self.record.pending:
            told.append(f"Helm was ended while it worked on {self.unit.release} ({self.record.status}).")
        return tuple(told)

    @property
    def failure(self) -> str | None:
        """Why Helm's last attempt did not succeed, or ``None``."""
        if self.record is None or self.record.status == DEPLOYED:
            return None
        return f"Helm's record of {self.unit.release} says {self.record.status}."

    def facts(self) -> dict[str, dict[str, object]]:
        """The fields of the rendered objects, and of what was added, as they are on the cluster."""
        found: dict[str, dict[str, object]] = {}
        for ref, item in self.unit.by_ref.items():
            if ref in self.missing:
                continue
            seen = fields(item)
            for difference in self.differing.get(ref, ()):
                seen = {path: value for path, value in seen.items() if not _at(path, difference.path)}
                if difference.found is not None:
                    seen[difference.path] = difference.found
            seen |= {one.path: f"added by {one.manager}" for one in self.added.get(ref, ())}
            found[self.unit.told(ref)] = seen
        return found | {self.unit.told(ref): {"": "added"} for ref in self.extra}


def look(cluster: Reader, unit: RenderedUnit, record: Record | None) -> Sighting:
    """Compare one release with what was rendered; reads go out side by side, nothing is changed.

    Args:
        cluster: where.
        unit: what was rendered.
        record: Helm's latest, or ``None``.
    """
    wanted = unit.by_ref
    live = _live(cluster, unit)
    there = {ref: item for ref, item in live.items() if ref in wanted}
    once = {Ref.of(item) for item in unit.definitions if getattr(unit.unit, "crds", "upgrade") == "install"}
    differing = {ref: () if ref in once else tuple(differences(wanted[ref], item)) for ref, item in there.items()}
    added = {ref: tuple(added_fields(item)) for ref, item in there.items()}
    return Sighting(
        unit,
        record,
        missing=tuple(ref for ref in wanted if ref not in there),
        differing={ref: items for ref, items in differing.items() if items},
        # What was rendered and is not so is told once, as a difference.
        added={ref: kept for ref, items in added.items() if (kept := _others(items, differing[ref]))},
        extra=tuple(sorted(ref for ref in live if ref not in wanted)),
        strangers=tuple(
            ref
            for ref, item in there.items()
            # Definitions belong to nobody's release: one that is there is taken over.
            if not definitions.is_definition(item) and annotations_of(item).get(RELEASE_NAME) != unit.release
        ),
        stuck=tuple(_stuck(cluster, unit, there.values())),
    )


def consequential(sentence: str) -> bool:
    """Whether drift, as :attr:`Sighting.drift` tells it, can be why a release does not work; a label cannot."""
    return not any(f": metadata.{part}." in sentence for part in ("labels", "annotations"))


def _live(cluster: Reader, unit: RenderedUnit) -> dict[Ref, Object]:
    """Rendered objects that are there, and others with the labels of the release that nobody owns."""
    wanted = unit.by_ref
    kinds = list(dict.fromkeys([*((ref.api_version, ref.kind) for ref in wanted), *KINDS]))
    labels = selector({INSTANCE_LABEL: unit.release, MANAGED_BY_LABEL: "Helm"})
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="look") as pool:
        batches = pool.map(lambda kind: cluster.find(kind[0], kind[1], unit.namespace, labels), kinds)
        found = {unit.ref(item): item for batch in batches for item in batch if _here(item, unit)}
        unlabelled = [ref for ref in wanted if ref not in found]
        singles = dict(zip(unlabelled, pool.map(cluster.get, unlabelled), strict=True))
    found |= {ref: item for ref, item in singles.items() if item is not None}
    return {ref: item for ref, item in found.items() if ref in wanted or not item["metadata"].get("ownerReferences")}


def _here(item: Object, unit: RenderedUnit) -> bool:
    """Whether an object belongs to this release, and not to one of the same name in another namespace."""
    if definitions.is_definition(item):
        return unit.ref(item) in unit.by_ref  # never taken for an addition, which would be deleted
    place = annotations_of(item).get(RELEASE_NAMESPACE)
    return "namespace" in item["metadata"] or place in (None, unit.namespace)


def _stuck(cluster: Reader, unit: RenderedUnit, live: Iterable[Object]) -> Iterator[Ref]:
    waiting = [
        item
        for item in live
        if item["kind"] == "StatefulSet" and item.get("status", {}).get("readyReplicas", 0) < item["spec"]["replicas"]
    ]
    if waiting:
        pods = pods_of(cluster, unit.namespace, unit.release)
        yield from (Ref.of(pod) for pod in pods if any(stuck(item, pod) for item in waiting))


def _others(items: tuple[AddedField, ...], known: tuple[FieldDifference, ...]) -> tuple[AddedField, ...]:
    told = [difference.path for difference in known]
    return tuple(item for item in items if not any(_at(item.path, path) or _at(path, item.path) for path in told))


def _at(path: str, above: str) -> bool:
    """Whether a path is another one or below it."""
    return path == above or path.startswith((f"{above}.", f"{above}["))
