"""Helm's own records of releases: Secrets of which we read the labels, and never the content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_infra.kubernetes.objects import Ref, labels_of, selector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_infra.kubernetes.cluster import Cluster

COMPONENT_LABEL = "datamill/component"
DIGEST_LABEL = "datamill/digest"
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
    """

    release: str
    revision: int
    status: str
    component: str | None
    digest: str | None
    secret: Ref

    @property
    def pending(self) -> bool:
        """Whether Helm was killed while it worked on it, or is at work now."""
        return self.status.startswith(PENDING)


def short(digest: str) -> str:
    """A digest as it fits into a label."""
    return digest.removeprefix("sha256:")[:DIGEST_LETTERS]


def latest_records(cluster: Cluster, namespace: str, labels: Mapping[str, str] | None = None) -> dict[str, Record]:
    """The latest revision of each release of a namespace, by release.

    Args:
        cluster: where.
        namespace: of the releases.
        labels: which releases; all when absent.
    """
    found: dict[str, Record] = {}
    for secret in cluster.find("v1", "Secret", namespace, selector({"owner": "helm", **(labels or {})})):
        given = labels_of(secret)
        record = Record(
            given["name"],
            int(given["version"]),
            given["status"],
            given.get(COMPONENT_LABEL),
            given.get(DIGEST_LABEL),
            Ref.of(secret),
        )
        if record.release not in found or found[record.release].revision < record.revision:
            found[record.release] = record
    return found
