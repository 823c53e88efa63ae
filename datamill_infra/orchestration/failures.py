"""Errors of the platform as Dagster failures, with what the command line needs to give them their exit code back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from datamill_infra.model.errors import BlockedError, ConfigurationError, DatamillError, LockedError, PlatformError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_infra.drivers.passes import Outcome

# In this order: the first that an error is an instance of is the one that is recorded.
_KINDS = (BlockedError, LockedError, ConfigurationError, PlatformError, DatamillError)


def failure_of(error: DatamillError) -> dg.Failure:
    """One error as a failure: description, class and repair."""
    return dg.Failure(
        description=error.reason,
        metadata={"error": _kind(error), "repair": error.instruction},
        allow_retries=False,
    )


def failure_of_outcomes(outcomes: Mapping[str, Outcome]) -> dg.Failure | None:
    """The failed and skipped components of a rollout as one failure, or ``None`` when there are none."""
    failed = {name: outcome for name, outcome in outcomes.items() if outcome.status == "failed"}
    skipped = {name: outcome for name, outcome in outcomes.items() if outcome.status == "skipped"}
    if not failed and not skipped:
        return None
    kinds = {_kind(outcome.error) for outcome in failed.values()}
    told = [f"{name}: {outcome.message}" for name, outcome in {**failed, **skipped}.items()]
    instructions = dict.fromkeys(
        outcome.error.instruction for outcome in failed.values() if isinstance(outcome.error, DatamillError)
    )
    return dg.Failure(
        description="\n".join(told),
        metadata={
            "error": kinds.pop() if len(kinds) == 1 else PlatformError.__name__,
            "repair": "\n".join(instructions),
            **{f"cause/{name}": outcome.message for name, outcome in failed.items()},
        },
        allow_retries=False,
    )


def _kind(error: Exception | None) -> str:
    return next((kind.__name__ for kind in _KINDS if isinstance(error, kind)), PlatformError.__name__)
