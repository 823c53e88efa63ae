"""Names of objects, and the few of their fields that everybody needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]
"""An object as the API server gives it."""

NAME_LABEL = "app.kubernetes.io/name"
INSTANCE_LABEL = "app.kubernetes.io/instance"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
PART_OF_LABEL = "app.kubernetes.io/part-of"


@dataclass(frozen=True, order=True)
class Ref:
    """The name of one object.

    Attributes:
        api_version: e.g. ``apps/v1``.
        kind: e.g. ``StatefulSet``.
        namespace: empty for objects of the whole cluster.
        name: of the object.
    """

    api_version: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, item: Mapping[str, Any], namespace: str = "") -> Ref:
        """The name of an object.

        Args:
            item: the object.
            namespace: where it goes when it does not say so itself.
        """
        metadata = item["metadata"]
        return cls(item["apiVersion"], item["kind"], metadata.get("namespace", namespace), metadata["name"])

    def __str__(self) -> str:
        """``StatefulSet kafka``."""
        return f"{self.kind} {self.name}"


def labels_of(item: Mapping[str, Any]) -> dict[str, str]:
    """Labels of an object."""
    return dict(item.get("metadata", {}).get("labels") or {})


def annotations_of(item: Mapping[str, Any]) -> dict[str, str]:
    """Annotations of an object."""
    return dict(item.get("metadata", {}).get("annotations") or {})


def selector(labels: Mapping[str, str]) -> str:
    """A label selector that asks for equality."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


def selected(labels: str, given: Mapping[str, str]) -> bool:
    """Whether labels are what a selector of :func:`selector` asks for; an empty one asks for nothing."""
    return dict(part.split("=", 1) for part in labels.split(",") if part).items() <= given.items()


def plural(kind: str) -> str:
    """How a kind is called in addresses and roles, by convention; for where no server can be asked."""
    word = kind.lower()
    if word.endswith("y"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "ch")) else f"{word}s"
