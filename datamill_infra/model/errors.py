"""Every error of Data Mill: what happened, why, and what to do.

The tree, with the exit code that the CLI gives for each::

    DatamillError (1)
    ├── ConfigurationError (5)      a file or a name the user wrote is wrong
    │   └── UnknownNameError        ... and the nearest valid name is offered
    ├── PlatformError (1)           a component could not be brought to its desired state
    │   ├── PortTakenError          a foreign process listens where we must
    │   ├── ArtifactError           a server artifact could not be fetched, or has the wrong digest
    │   └── UnhealthyError          a probe did not succeed within its budget
    ├── BlockedError (3)            a pipeline's capability is not available; no data step was started
    └── LockedError (4)             another writer holds the deployment

Subsystems derive their own (:mod:`datamill_pipelines.datasets.errors`) from :class:`DatamillError`.
Exit codes 0 (success), 2 (``plan``: there are changes), 64 (usage) and 130 (interrupted) belong to no error.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class DatamillError(Exception):
    """A reason and an instruction.

    Args:
        reason: what happened and why, one or more sentences, no secrets.
        instruction: what the user should do next, an imperative sentence.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, reason: str, *, instruction: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.instruction = instruction

    def __str__(self) -> str:
        """Reason and instruction, as a user reads them."""
        return f"{self.reason}\n{self.instruction}"

    def __reduce__(self) -> tuple[object, ...]:
        """Keep keyword-only arguments across process boundaries."""
        return (_rebuild, (type(self), self.reason, self.instruction, self.__dict__))


def _rebuild(cls: type[DatamillError], reason: str, instruction: str, state: dict[str, object]) -> DatamillError:
    error = cls.__new__(cls)
    Exception.__init__(error, reason)
    error.__dict__.update(state)
    error.reason, error.instruction = reason, instruction
    return error


class ConfigurationError(DatamillError):
    """A file or a name the user wrote is wrong."""

    exit_code = 5


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name most like ``name``, or ``None`` when nothing is near."""
    # Half of the letters: enough for two-letter names such as s3, where one typo is half the name.
    found = difflib.get_close_matches(name, sorted(valid), n=1, cutoff=0.5)
    return found[0] if found else None


class UnknownNameError(ConfigurationError):
    """A name that nothing has; the nearest valid one is offered.

    Args:
        kind: what was looked for, e.g. ``"component"``.
        name: what the user wrote.
        valid: the names that exist.
        where: file and key the name was read from, or ``None`` for the command line.
    """

    def __init__(self, kind: str, name: str, valid: Iterable[str], *, where: str | None = None) -> None:
        names = sorted(valid)
        near = nearest(name, names)
        place = f"{where}: " if where else ""
        hint = f"Did you mean {near!r}?" if near else f"Valid: {', '.join(names) or '(none)'}."
        super().__init__(f"{place}there is no {kind} {name!r}.", instruction=hint)
        self.name, self.nearest = name, near


class PlatformError(DatamillError):
    """A component could not be brought to its desired state."""


class PortTakenError(PlatformError):
    """A foreign process listens where one of ours must."""


class ArtifactError(PlatformError):
    """A server artifact could not be fetched, or has the wrong digest."""


class UnhealthyError(PlatformError):
    """A probe did not succeed within its budget."""


class BlockedError(DatamillError):
    """A pipeline's capability is not available; no data step was started."""

    exit_code = 3


class LockedError(DatamillError):
    """Another writer holds the deployment."""

    exit_code = 4
