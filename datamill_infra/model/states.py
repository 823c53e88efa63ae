"""The states a component can be in, decided from what was observed and what is wanted, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ReleaseState(StrEnum):
    """A closed set, in Flux's words."""

    ABSENT = "absent"
    """Nothing of it is there."""
    UNMANAGED = "unmanaged"
    """Something is where it belongs, and this deployment did not put it there."""
    OUT_OF_SYNC = "out-of-sync"
    """What was applied is not what is wanted now."""
    DRIFTED = "drifted"
    """What was applied is wanted, but what runs differs from it."""
    LOCKED = "locked"
    """Another writer is at work on it."""
    FAILED = "failed"
    """The last attempt to apply it did not succeed."""
    IN_SYNC = "in-sync"
    """What runs is what is wanted."""


@dataclass(frozen=True)
class Desired:
    """What is wanted of one component.

    Attributes:
        component: its name.
        provider: ``embedded``, ``helm`` or ``external``.
        variant: of the helm provider, or ``None``.
        facts: everything that decides what would run, JSON-serialisable, secrets by name only.
        digest: over ``facts``.
    """

    component: str
    provider: str
    variant: str | None
    facts: Mapping[str, object]
    digest: str


@dataclass(frozen=True)
class Observed:
    """What a driver saw of one component.

    Attributes:
        component: its name.
        exists: something of it is there: configured processes, a release, a recorded external connection.
        managed: this deployment put it there.
        digest: of the desired state when it was last applied, or ``None``.
        facts: the desired facts when it was last applied, for showing differences, or ``None``.
        drift: what differs from what was applied, one sentence each.
        failure: why the last apply failed, or ``None``.
        locked_by: who is at work on it, or ``None``.
    """

    component: str
    exists: bool = False
    managed: bool = False
    digest: str | None = None
    facts: Mapping[str, object] | None = None
    drift: tuple[str, ...] = field(default=())
    failure: str | None = None
    locked_by: str | None = None


def decide(observed: Observed, desired: Desired | None) -> ReleaseState:
    """The state of a component; ``desired`` is ``None`` when the deployment does not have it (any more).

    The first that holds: locked, unmanaged, failed, absent, out-of-sync, drifted, in-sync.
    """
    table = (
        (ReleaseState.LOCKED, observed.locked_by is not None),
        (ReleaseState.UNMANAGED, observed.exists and not observed.managed),
        (ReleaseState.FAILED, observed.failure is not None),
        (ReleaseState.ABSENT, not observed.exists),
        (ReleaseState.OUT_OF_SYNC, desired is None or observed.digest != desired.digest),
        (ReleaseState.DRIFTED, bool(observed.drift)),
        (ReleaseState.IN_SYNC, True),
    )
    return next(state for state, holds in table if holds)
