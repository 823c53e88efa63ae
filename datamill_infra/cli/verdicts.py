"""What a finished run means for the command that started it: nothing, or an error with its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra.model.errors import BlockedError, ConfigurationError, DatamillError, LockedError, PlatformError

if TYPE_CHECKING:
    from datamill_infra.cli.reports import Failure, RunReport

# Errors keep their exit code across the run that they ended: the run's events carry the class by name.
_BY_NAME: dict[str, type[DatamillError]] = {
    kind.__name__: kind for kind in (BlockedError, ConfigurationError, DatamillError, LockedError, PlatformError)
}


def raise_for(report: RunReport, *, again: str) -> None:
    """Return when the run succeeded.

    Args:
        report: of the run.
        again: the command line that repeats it, for instructions.

    Raises:
        KeyboardInterrupt: it was interrupted.
        BlockedError: a component that it needs is not available.
        DatamillError: it failed; of the class that the failing code named, else :class:`PlatformError`.
    """
    if report.status == "success":
        return
    if report.status == "interrupted":
        raise KeyboardInterrupt
    failures = report.failures
    reason = "\n".join(f"{name}: {failure.reason}" for name, failure in failures) or f"{report.job} failed."
    instruction = _instruction(report, [failure for _, failure in failures], again)
    if report.status == "blocked":
        raise BlockedError(reason, instruction=instruction)
    raise kind_of(report)(reason, instruction=instruction)


def kind_of(report: RunReport) -> type[DatamillError]:
    """The class of a failed run's error, which decides the exit code: what the failing code named, if it agrees."""
    kinds = {failure.error for _, failure in report.failures}
    return _BY_NAME.get(kinds.pop(), PlatformError) if len(kinds) == 1 else PlatformError


def _instruction(report: RunReport, failures: list[Failure], again: str) -> str:
    given = list(dict.fromkeys(failure.instruction for failure in failures if failure.instruction))
    if report.status == "blocked":
        return f"Repair: {'; '.join(given) or 'datamill up'}\nThen:   {again}"
    if given:
        return "\n".join(given)
    return f"The run is {report.run_id} (`datamill ui` shows its log). When the cause is gone: {again}"
