"""Targets: where a deployment runs, how components are obtained there, and what the place itself gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from datamill_infra.model.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable

TARGET = "target"
"""Stands for the target itself where a component is bound to a capability."""

# What each kind gives without an add-on. `context` promises nothing: the deployment says what is there.
_GIVES: dict[str, frozenset[str]] = {
    "embedded": frozenset(),
    "kind": frozenset({"storage-class"}),
    "k3d": frozenset({"storage-class", "load-balancer"}),
    "minikube": frozenset({"storage-class"}),
    "microk8s": frozenset(),
    "multipass": frozenset(),
    "eks": frozenset({"storage-class", "load-balancer"}),
    "gke": frozenset({"storage-class", "load-balancer"}),
    "kops": frozenset({"storage-class", "load-balancer"}),
    "context": frozenset(),
    "lab": frozenset({"storage-class"}),
}

TARGET_CAPABILITIES = frozenset({"storage-class", "load-balancer", "gpu"})
"""Capabilities that a target can give."""


@dataclass(frozen=True)
class Target:
    """One kind of place.

    Attributes:
        kind: ``embedded``, ``kind``, ``eks``, ...
        provider: how components are obtained unless a user says otherwise.
        capabilities: what the place gives, e.g. ``storage-class``.
    """

    kind: str
    provider: Literal["embedded", "helm"]
    capabilities: frozenset[str]

    @classmethod
    def of(cls, kind: str, capabilities: Iterable[str] = (), *, where: str | None = None) -> Target:
        """A target by kind; ``capabilities`` are given in addition to what the kind always gives.

        Raises:
            UnknownNameError: there is no such kind, or a capability that no target can give.
        """
        if kind not in _GIVES:
            raise UnknownNameError("target", kind, _GIVES, where=where)
        for capability in capabilities:
            if capability not in TARGET_CAPABILITIES:
                raise UnknownNameError("capability of a target", capability, TARGET_CAPABILITIES, where=where)
        return cls(kind, "embedded" if kind == "embedded" else "helm", _GIVES[kind] | frozenset(capabilities))


def target_kinds() -> list[str]:
    """All kinds of targets."""
    return list(_GIVES)
