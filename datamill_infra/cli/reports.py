"""What a run of a Dagster job came to, as facts for the display, for ``--json`` and for the exit code."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal

StepState = Literal["waiting", "running", "done", "failed", "skipped"]
Status = Literal["success", "failed", "blocked", "interrupted"]

INTERRUPTS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


@dataclass
class FailedCheck:
    """An asset check that did not pass."""

    asset: str
    check: str
    severity: str
    message: str


@dataclass
class Failure:
    """Why a step or a run failed.

    Attributes:
        reason: what happened.
        instruction: what to do, if the fault says so.
        error: the class of the error, e.g. ``"LockedError"``.
        facts: what the failing code recorded, by name.
    """

    reason: str
    instruction: str = ""
    error: str = ""
    facts: dict[str, str] = field(default_factory=dict)


def is_interrupt(failure: Failure | None) -> bool:
    """Whether something ended because the command was interrupted; Dagster records that as a failure."""
    return failure is not None and failure.error in INTERRUPTS


@dataclass
class StepReport:
    """One step.

    Attributes:
        key: Dagster's.
        assets: what it materialises, as ``a/b``.
        state: how far it came.
        seconds: from the start of its worker to its end.
        rows: of everything it materialised, where it says so.
        summaries: one line per materialisation that carries ``datamill/summary``.
        changed: whether a materialisation says that it changed anything; ``None`` if none says.
        checks_passed: asset checks that passed.
        checks_failed: asset checks that did not.
        failure: why it failed.
    """

    key: str
    assets: list[str] = field(default_factory=list)
    state: StepState = "waiting"
    seconds: float | None = None
    rows: int | None = None
    summaries: dict[str, str] = field(default_factory=dict)
    changed: bool | None = None
    checks_passed: int = 0
    checks_failed: list[FailedCheck] = field(default_factory=list)
    failure: Failure | None = None

    @property
    def interrupted(self) -> bool:
        """Whether it ended because the command was interrupted; Dagster records that as a failure of the step."""
        return is_interrupt(self.failure)

    @property
    def name(self) -> str:
        """The asset if it is only one, else the step's key."""
        return self.assets[0] if len(self.assets) == 1 else self.key


@dataclass
class RunReport:
    """One run.

    Attributes:
        run_id: Dagster's; empty when there was nothing to run for.
        job: its name.
        status: ``success``, ``failed``, ``blocked`` or ``interrupted``.
        seconds: wall time.
        steps: by key, in the order of their first event.
        blocked_by: the components that were not available, if that is why it failed.
        failure: of the run itself, when no step is to blame.
    """

    run_id: str
    job: str
    status: Status
    seconds: float
    steps: dict[str, StepReport]
    blocked_by: tuple[str, ...] = ()
    failure: Failure | None = None

    @property
    def failures(self) -> list[tuple[str, Failure]]:
        """Name and cause of everything that failed."""
        failed = [(step.name, step.failure) for step in self.steps.values() if step.failure]
        return failed or ([(self.job, self.failure)] if self.failure else [])

    def to_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return asdict(self) | {"steps": [asdict(step) for step in self.steps.values()]}
