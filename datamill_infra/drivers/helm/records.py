"""Helm's own records of releases: Secrets of which we read the labels, and never the content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_infra.kubernetes.objects import Ref, labels_of, selector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_infra.kubernetes.cluster import Cluster, Reader

COMPONENT_LABEL = "datamill/component"
DIGEST_LABEL = "datamill/digest"
GOOD_LABEL = "datamill/good"
"""On a revision with which its component was healthy. Helm keeps the label, also when it goes back to the revision."""

DIGEST_LETTERS = 32
"""Labels have at most 63."""

DEPLOYED = "deployed"
PENDING = "pending-"


@dataclass(frozen=True)
class Record:
    """The latest revision of a release.

    Attributes:
        release: its name.
        revision: its number.
        status: Helm's word, e.g. ``deployed``, ``failed``, ``pending-upgrade``.
        component: who it belongs to, or ``None`` when this program did not make it.
        digest: of the desired state that it was made for, shortened, or ``None``.
        secret: the record itself.
        good: whether its component was healthy with it.
    """

    release: str
    revision: int
    status: str
    component: str | None
    digest: str | None
    secret: Ref
    good: bool = False

    @property
    def pending(self) -> bool:
        """Whether Helm was killed while it worked on it, or is at work now."""
        return self.status.startswith(PENDING)


def short(digest: str) -> str:
    """A digest as it fits into a label."""
    return digest.removeprefix("sha256:")[:DIGEST_LETTERS]


def latest_records(cluster: Reader, namespace: str, labels: Mapping[str, str] | None = None) -> dict[str, Record]:
    """The latest revision of each release of a namespace, by release.

    Args:
        cluster: where.
        namespace: of the releases.
        labels: which releases; all when absent.
    """
    return {record.release: record for record in _records(cluster, namespace, labels or {})}


def revisions(cluster: Reader, namespace: str, release: str) -> list[Record]:
    """Every revision of a release that Helm has kept, the oldest first."""
    return _records(cluster, namespace, {"name": release})


def mark_good(cluster: Cluster, record: Record) -> None:
    """Remember on the cluster that a component was healthy with a revision; no write when that is known."""
    if record.good:
        return
    ref = record.secret
    metadata = {"name": ref.name, "namespace": ref.namespace, "labels": {GOOD_LABEL: "true"}}
    cluster.apply({"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata})


def _records(cluster: Reader, namespace: str, labels: Mapping[str, str]) -> list[Record]:
    """Ordered by revision."""
    found = []
    for secret in cluster.find("v1", "Secret", namespace, selector({"owner": "helm", **labels})):
        given = labels_of(secret)
        found.append(
            Record(
                given["name"],
                int(given["version"]),
                given["status"],
                given.get(COMPONENT_LABEL),
                given.get(DIGEST_LABEL),
                Ref.of(secret),
                given.get(GOOD_LABEL) == "true",
            )
        )
    return sorted(found, key=lambda record: record.revision)
