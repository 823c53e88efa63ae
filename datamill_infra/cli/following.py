"""A run's event log, read while it is written: what a display shows and what the report says.

The event log is the one source: the same follower describes a run that this process executes and one that the
daemon launched.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from dagster import DagsterEventType, RunsFilter
from sqlalchemy.exc import OperationalError

from datamill_infra.cli.reports import FailedCheck, Failure, StepReport
from datamill_infra.model.told import CHANGED, SUMMARY

if TYPE_CHECKING:
    from collections.abc import Callable

    import dagster as dg
    from dagster import DagsterEvent, EventLogEntry

    from datamill_infra.cli.board import Board

POLL_SECONDS = 0.25
ROWS = "dagster/row_count"
INVOCATION_TAG = "datamill/invocation"


class Follower:
    """Builds step reports from events, and shows each change on a board.

    Args:
        board: where to show it, or ``None``.
    """

    def __init__(self, board: Board | None = None) -> None:
        self.board = board
        self.steps: dict[str, StepReport] = {}
        self.run_failure: Failure | None = None
        self._began: dict[str, float] = {}

    def read(self, entry: EventLogEntry) -> None:
        """Take one entry of the log."""
        event = entry.dagster_event
        if event is None:
            return
        handler = _HANDLERS.get(event.event_type)
        if event.event_type is DagsterEventType.RUN_FAILURE:
            self._on_run_failure(event)
        elif handler is not None and event.step_key:
            step = self.steps.setdefault(event.step_key, StepReport(event.step_key))
            handler(self, step, event, entry.timestamp)

    def finish(self) -> None:
        """The run is over: what has not started will not start."""
        for step in self.steps.values():
            if step.state == "waiting":
                step.state = "skipped"
                self._show(step)

    def _on_run_failure(self, event: DagsterEvent) -> None:
        error = event.job_failure_data.error
        self.run_failure = Failure(
            error.message.strip() if error else event.message or "The run failed.",
            error=(error.cls_name or "") if error else "",
        )

    def _on_planned(self, step: StepReport, event: DagsterEvent, at: float) -> None:
        del at
        if event.asset_key:
            name = event.asset_key.to_user_string()
            if name not in step.assets:
                step.assets.append(name)

    def _on_begin(self, step: StepReport, event: DagsterEvent, at: float) -> None:
        del event
        self._began.setdefault(step.key, at)
        step.state = "running"
        self._show(step)

    def _on_materialization(self, step: StepReport, event: DagsterEvent, at: float) -> None:
        del at
        materialization = event.step_materialization_data.materialization
        rows = materialization.metadata.get(ROWS)
        if rows is not None and isinstance(rows.value, int):
            step.rows = (step.rows or 0) + rows.value
        summary = materialization.metadata.get(SUMMARY)
        if summary is not None:
            step.summaries[materialization.asset_key.to_user_string()] = str(summary.value)
        changed = materialization.metadata.get(CHANGED)
        if changed is not None:
            step.changed = step.changed or bool(changed.value)
        self._show(step)

    def _on_check(self, step: StepReport, event: DagsterEvent, at: float) -> None:
        del at
        evaluation = event.asset_check_evaluation_data
        if evaluation.passed:
            step.checks_passed += 1
            return
        failed = FailedCheck(
            evaluation.asset_key.to_user_string(),
            evaluation.check_name,
            evaluation.severity.value,
            evaluation.description or "",
        )
        step.checks_failed.append(failed)
        if self.board:
            self.board.note(f"  check {failed.asset}:{failed.check} did not pass ({failed.severity}). {failed.message}")

    def _on_end(self, step: StepReport, event: DagsterEvent, at: float) -> None:
        step.seconds = round(at - self._began.get(step.key, at), 2)
        if event.event_type is DagsterEventType.STEP_FAILURE:
            step.state, step.failure = "failed", _failure(event)
        else:
            step.state = "skipped" if event.event_type is DagsterEventType.STEP_SKIPPED else "done"
        self._show(step)

    def _show(self, step: StepReport) -> None:
        if self.board is None:
            return
        message = step.failure.reason.splitlines()[0] if step.failure else " ".join(step.summaries.values())
        if step.state == "skipped":
            message = "not started"
        if step.rows is not None and not step.failure:
            message = f"{step.rows:,} rows  {message}".strip()
        self.board.show(step.name, step.state, message, seconds=step.seconds)


_HANDLERS: dict[DagsterEventType, Callable[[Follower, StepReport, DagsterEvent, float], None]] = {
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED: Follower._on_planned,  # noqa: SLF001  its own table
    DagsterEventType.STEP_WORKER_STARTING: Follower._on_begin,  # noqa: SLF001
    DagsterEventType.STEP_START: Follower._on_begin,  # noqa: SLF001
    DagsterEventType.ASSET_MATERIALIZATION: Follower._on_materialization,  # noqa: SLF001
    DagsterEventType.ASSET_CHECK_EVALUATION: Follower._on_check,  # noqa: SLF001
    DagsterEventType.STEP_SUCCESS: Follower._on_end,  # noqa: SLF001
    DagsterEventType.STEP_FAILURE: Follower._on_end,  # noqa: SLF001
    DagsterEventType.STEP_SKIPPED: Follower._on_end,  # noqa: SLF001
}


def _failure(event: DagsterEvent) -> Failure:
    data = event.step_failure_data
    if data.user_failure_data is not None:
        facts = {key: str(value.value) for key, value in data.user_failure_data.metadata.items()}
        return Failure(
            reason=data.user_failure_data.description or "The step failed.",
            instruction=facts.pop("repair", ""),
            error=facts.pop("error", ""),
            facts=facts,
        )
    error = data.error
    # Dagster wraps what a step raised; the innermost cause is what the step's code said.
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return Failure(event.message or "The step failed.")
    name = error.cls_name or ""
    text = error.message.strip()
    return Failure(text.partition(": ")[2] if text.split(": ", 1)[0].endswith(name) else text, error=name)


class FollowingThread(threading.Thread):
    """Reads the log of the run that carries an invocation tag, until stopped and read to the end.

    Args:
        instance: Dagster's.
        invocation: the tag's value.
        follower: receives every entry.
        seconds: between two looks.
    """

    def __init__(
        self, instance: dg.DagsterInstance, invocation: str, follower: Follower, *, seconds: float = POLL_SECONDS
    ) -> None:
        super().__init__(name="follow-run", daemon=True)
        self.instance = instance
        self.invocation = invocation
        self.follower = follower
        self.run_id: str | None = None
        self._seconds = seconds
        self._over = threading.Event()
        self._cursor: str | None = None

    def run(self) -> None:
        """Poll."""
        while not self._over.wait(self._seconds):
            # A storage that is away for a moment: the next look goes on where this one began.
            with contextlib.suppress(OperationalError):
                self.catch_up()

    def stop(self) -> None:
        """Read what is left, and end."""
        self._over.set()
        self.join()
        self.catch_up()

    def catch_up(self) -> None:
        """Read everything that is in the log now."""
        if self.run_id is None:
            records = self.instance.get_run_records(RunsFilter(tags={INVOCATION_TAG: self.invocation}), limit=1)
            if not records:
                return
            self.run_id = records[0].dagster_run.run_id
        more = True
        while more:
            page = self.instance.get_records_for_run(self.run_id, cursor=self._cursor, limit=500)
            for record in page.records:
                self.follower.read(record.event_log_entry)
            self._cursor, more = page.cursor, page.has_more
