"""Plans: the difference between what is wanted and what was observed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from datamill_infra.model.states import Observed, ReleaseState, decide

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from datamill_infra.model.states import Desired


class Action(StrEnum):
    """What a deploy would do to one component."""

    CREATE = "create"
    UPDATE = "update"
    RESTART = "restart"
    NONE = "none"
    REMOVE = "remove"
    REFUSE = "refuse"
    """Nothing can be done before the user acts: something unmanaged is in the way, or another writer is at work."""


@dataclass(frozen=True)
class Difference:
    """One fact that changes.

    Attributes:
        key: dotted, e.g. ``values.heap``.
        before: what was applied, or ``None`` when the key is new.
        after: what is wanted, or ``None`` when the key goes.
    """

    key: str
    before: object
    after: object

    def __str__(self) -> str:
        """``values.heap: "512m" -> "1g"``."""
        return f"{self.key}: {_shown(self.before)} -> {_shown(self.after)}"


@dataclass(frozen=True)
class Change:
    """What happens to one component.

    Attributes:
        component: its name.
        state: as observed.
        action: what a deploy would do.
        reason: why, one sentence.
        differences: the facts that change, for an update.
    """

    component: str
    state: ReleaseState
    action: Action
    reason: str
    differences: tuple[Difference, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "component": self.component,
            "state": self.state.value,
            "action": self.action.value,
            "reason": self.reason,
            "differences": [{"key": item.key, "before": item.before, "after": item.after} for item in self.differences],
        }


@dataclass(frozen=True)
class Plan:
    """The changes of one deploy: first what is applied, in order, then what is removed, in reverse order."""

    changes: tuple[Change, ...]

    def __iter__(self) -> Iterator[Change]:
        """The changes in order."""
        return iter(self.changes)

    def __getitem__(self, component: str) -> Change:
        """The change of one component."""
        return next(change for change in self.changes if change.component == component)

    @property
    def has_changes(self) -> bool:
        """Whether a deploy would do anything."""
        return any(change.action is not Action.NONE for change in self.changes)

    def to_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {"has_changes": self.has_changes, "changes": [change.to_dict() for change in self.changes]}


def plan(desired: Mapping[str, Desired], observed: Mapping[str, Observed], order: Sequence[str] | None = None) -> Plan:
    """Compare what is wanted with what was observed.

    Args:
        desired: component to what is wanted of it.
        observed: component to what was seen; one that is missing was not looked at and counts as absent. Components
            that are not desired are removed.
        order: of the desired components; the mapping's own order when absent.
    """
    changes = [_change(name, desired[name], observed.get(name)) for name in (order or desired)]
    removals = [_removal(name, observed[name]) for name in observed if name not in desired]
    return Plan((*changes, *(removal for removal in reversed(removals) if removal)))


def _change(name: str, desired: Desired, observed: Observed | None) -> Change:
    seen = observed or Observed(name)
    state = decide(seen, desired)
    match state:
        case ReleaseState.ABSENT:
            action, reason = Action.CREATE, "It is not there yet."
        case ReleaseState.UNMANAGED:
            action, reason = Action.REFUSE, "Something that this deployment did not start is in its place."
        case ReleaseState.LOCKED:
            action, reason = Action.REFUSE, f"{seen.locked_by} is at work on it."
        case ReleaseState.FAILED:
            action = Action.UPDATE if seen.exists else Action.CREATE
            reason = f"The last attempt failed: {seen.failure}"
        case ReleaseState.OUT_OF_SYNC:
            action, reason = Action.UPDATE, "Its definition changed."
        case ReleaseState.DRIFTED:
            action, reason = Action.RESTART, " ".join(seen.drift)
        case ReleaseState.IN_SYNC:
            action, reason = Action.NONE, "It runs as defined."
    return Change(name, state, action, reason, _diff(seen, desired) if action is Action.UPDATE else ())


def _removal(name: str, observed: Observed) -> Change | None:
    state = decide(observed, None)
    match state:
        case ReleaseState.ABSENT | ReleaseState.UNMANAGED:
            return None
        case ReleaseState.LOCKED:
            return Change(name, state, Action.REFUSE, f"{observed.locked_by} is at work on it.")
        case _:
            return Change(name, state, Action.REMOVE, "The deployment does not have it any more.")


def _diff(observed: Observed, desired: Desired) -> tuple[Difference, ...]:
    before, after = _flat(observed.facts or {}), _flat(desired.facts)
    return tuple(
        Difference(key, before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    )


def _flat(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _shown(value: object) -> str:
    return "(none)" if value is None else json.dumps(value, ensure_ascii=False)
