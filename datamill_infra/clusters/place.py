"""Where a cluster of a cloud is: what its tool must be told besides the name, so that no default of it counts."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Place:
    """A place in a cloud; on this machine there is nothing to say.

    Attributes:
        region: e.g. ``eu-west-1``.
        project: of Google Cloud, where the cluster is paid.
        state: the state store of kops, e.g. ``s3://bucket``.
    """

    region: str | None = None
    project: str | None = None
    state: str | None = None

    @property
    def said(self) -> frozenset[str]:
        """What is given."""
        return frozenset(one.name for one in fields(self) if getattr(self, one.name))


NOWHERE = Place()
