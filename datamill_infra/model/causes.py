"""Why a component does not work: what was found about each, and the way down to the first cause.

A finding is one fact with the next step. The walk goes from a component to what it needs, as long as that does not
work either, and ends at the component whose trouble has no other below it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class CauseKind(StrEnum):
    """What kind of fact a finding is; the order is that of causes: an earlier one explains the later ones."""

    QUOTA = "quota"
    """Its objects may not be made: a quota, or a limit of the namespace."""
    VOLUME = "volume"
    """A volume is not to be had, or cannot be mounted."""
    NODE = "node"
    """No node takes its pods, or threw them out."""
    DRIFT = "drift"
    """It is not as it was applied."""
    CONFIGURATION = "configuration"
    """Something that it names is not there, or not accepted."""
    IMAGE = "image"
    """An image cannot be had."""
    DNS = "dns"
    """A name is not known."""
    CRASH = "crash"
    """A process ended."""
    PROBE = "probe"
    """A process runs, and does not say that it is ready."""
    RELEASE = "release"
    """The last attempt to apply it did not succeed."""
    HEALTH = "health"
    """It does not answer by its protocol."""
    ABSENT = "absent"
    """Nothing of it is there."""


ORDER = {kind: place for place, kind in enumerate(CauseKind)}
OWN = frozenset(
    {
        CauseKind.QUOTA,
        CauseKind.VOLUME,
        CauseKind.NODE,
        CauseKind.DRIFT,
        CauseKind.CONFIGURATION,
        CauseKind.IMAGE,
    }
)
"""No component that is needed can be the reason for one of these."""


@dataclass(frozen=True)
class Finding:
    """One fact about a component that does not work.

    Attributes:
        kind: of the fact.
        subject: what it is about, e.g. ``pod kafka-0``.
        says: what is wrong, a clause.
        step: what to do, an imperative sentence.
        lines: the last lines of a log that show it.
    """

    kind: CauseKind
    subject: str
    says: str
    step: str
    lines: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A clause for people."""
        return f"{self.subject}: {self.says}"


@dataclass(frozen=True)
class Condition:
    """One component as it was found.

    Attributes:
        component: its name.
        state: of its release.
        healthy: whether it is there and answers.
        findings: what was found about it, causes first.
    """

    component: str
    state: str
    healthy: bool
    findings: tuple[Finding, ...] = ()

    @property
    def first(self) -> Finding | None:
        """The cause among the findings; ``None`` when nothing was found."""
        return next(iter(self.findings), None)

    def to_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return asdict(self)


@dataclass(frozen=True)
class Trail:
    """The way from a component to the first cause.

    Attributes:
        conditions: from the component that was asked about to the one at the bottom, each needing the next.
        others: further components that were found not to work for a reason of their own.
    """

    conditions: tuple[Condition, ...]
    others: tuple[Condition, ...] = ()

    @property
    def bottom(self) -> Condition:
        """The component with the first cause; the one that was asked about when it works."""
        return self.conditions[-1]

    def to_dict(self) -> dict[str, object]:
        """For ``--json``."""
        first = self.bottom.first
        return {
            "healthy": self.conditions[0].healthy,
            "trail": [one.to_dict() for one in self.conditions],
            "others": [one.to_dict() for one in self.others],
            "first_cause": {"component": self.bottom.component, **asdict(first)} if first else None,
        }


def causes_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings in the order of causes, each once."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda one: ORDER[one.kind]))


def walk(component: str, conditions: Mapping[str, Condition], needs: Mapping[str, Iterable[str]]) -> Trail:
    """Go from a component to the first cause.

    Args:
        component: where to begin.
        conditions: of it and of everything that it needs, directly or not.
        needs: component to the components that it needs.

    Returns:
        The shortest way to the deepest component that does not work for a reason of its own.
    """
    ways: dict[str, tuple[str, ...]] = {component: (component,)}
    queue = [component]
    while queue:
        name = queue.pop(0)
        for needed in sorted(needs.get(name, ())):
            if needed not in ways and not conditions[needed].healthy:
                ways[needed] = (*ways[name], needed)
                queue.append(needed)
    roots = [name for name in ways if _has_own_reason(name, conditions, needs)]
    if conditions[component].healthy or not roots:
        return Trail((conditions[component],))
    root = max(roots, key=lambda name: (len(ways[name]), -sorted(ways).index(name)))
    others = tuple(conditions[name] for name in roots if name not in ways[root])
    return Trail(tuple(conditions[name] for name in ways[root]), others)


def _has_own_reason(name: str, conditions: Mapping[str, Condition], needs: Mapping[str, Iterable[str]]) -> bool:
    if any(finding.kind in OWN for finding in conditions[name].findings):
        return True
    return all(conditions[needed].healthy for needed in needs.get(name, ()))
