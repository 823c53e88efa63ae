"""The frame of the fault bench: cases are tried one after the other, and a failed one leaves a history behind.

A trial is a function of its case: a small JSON object with all that was drawn by chance. So the history of a failed
trial is enough to try it again, and says besides what was done and when.
"""

from __future__ import annotations

import contextlib
import json
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from faults.rows import Row

from datamill_infra.model.errors import DatamillError

Case = dict[str, Any]
MOST_VIOLATIONS = 5
"""A row that fails so often has made its point."""


class Violation(AssertionError):  # noqa: N818 - it is what the bench looks for, not what it suffers
    """A promise is broken: found by a checker, never by accident."""


def expect(kept: bool, broken: str) -> None:
    """Raise :class:`Violation` unless the promise was kept."""
    if not kept:
        raise Violation(broken)


@contextlib.contextmanager
def must_work(what: str) -> Iterator[None]:
    """Something that a fault must not have made impossible: an error of the product in it is a violation."""
    try:
        yield
    except (DatamillError, OSError) as error:
        raise Violation(f"{what}: {type(error).__name__}: {error}") from error


class Log:
    """What happened in one trial, with the seconds since its beginning."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self.entries: list[dict[str, Any]] = []

    def __call__(self, what: str, **facts: Any) -> None:
        self.entries.append({"at": round(time.monotonic() - self._since, 4), "what": what, **facts})


Trial = Callable[[Case, Log], None]


@dataclass(frozen=True)
class History:
    """A failed trial.

    Attributes:
        node: the test that tried it, as pytest names it.
        case: all that was drawn by chance.
        log: what happened.
        error: how it failed.
    """

    node: str
    case: Case
    log: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    @classmethod
    def load(cls, path: Path) -> History:
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(vars(self), indent=1, default=str), encoding="utf-8")


@dataclass
class Result:
    """What one test tells the table."""

    row: str
    tried: int = 0
    found: int = 0
    controls: int = 0
    caught: int = 0
    seconds: float = 0.0


class Bench:
    """Tries cases and collects results.

    Args:
        node: the test that uses it.
        folder: where histories go.
        seed: of everything that is drawn by chance.
        replay: tried instead of all cases.
    """

    def __init__(self, node: str, folder: Path, seed: int, replay: History | None = None) -> None:
        self.node, self.folder, self.seed, self._replay = node, folder, seed, replay
        self.results: dict[Row, Result] = {}

    def run(self, row: Row, cases: Iterable[Case], trial: Trial, *, weight: int = 1, workers: int = 1) -> None:
        """Try all cases; fail at the end if one violated a promise.

        Args:
            row: what they belong to.
            cases: what to try.
            trial: how.
            weight: how many faults one case has.
            workers: cases that are tried at once.
        """
        result, began = self._result(row), time.monotonic()
        failures: list[str] = []

        def try_one(case: Case) -> None:
            if len(failures) >= MOST_VIOLATIONS:
                return
            log = Log()
            result.tried += weight
            try:
                trial(case, log)
            except Exception as error:
                result.found += 1
                failures.append(self._keep(row, case, log, error))

        try:
            if workers == 1:
                for case in self._replay_or(cases):
                    try_one(case)
            else:
                with ThreadPoolExecutor(workers) as pool:
                    list(pool.map(try_one, self._replay_or(cases)))
        finally:
            result.seconds += time.monotonic() - began
        if failures:
            pytest.fail("\n\n".join(failures), pytrace=False)
        if not result.tried:
            pytest.fail("no case was tried", pytrace=False)

    def control(self, row: Row, broken: str, cases: Iterable[Case], trial: Trial) -> None:
        """Try a deliberately broken variant until the checker catches it; fail if it never does.

        Args:
            row: which checker is meant.
            broken: what the variant does wrong.
            cases: tried until one is caught.
            trial: with the broken variant in it.
        """
        result, began = self._result(row), time.monotonic()
        result.controls += 1
        tried = 0
        try:
            for case in cases:
                tried += 1
                try:
                    trial(case, Log())
                except Violation:
                    result.caught += 1
                    return
        finally:
            result.seconds += time.monotonic() - began
        pytest.fail(f"The checker has not caught {broken} in {tried} trials.", pytrace=False)

    def _replay_or(self, cases: Iterable[Case]) -> Iterable[Case]:
        return cases if self._replay is None else [self._replay.case]

    def _result(self, row: Row) -> Result:
        return self.results.setdefault(row, Result(row.name))

    def _keep(self, row: Row, case: Case, log: Log, error: Exception) -> str:
        told = "".join(traceback.format_exception(error))
        number = sum(1 for _ in self.folder.glob(f"{row.name.lower()}-*.json")) if self.folder.exists() else 0
        path = self.folder / f"{row.name.lower()}-{number}.json"
        History(self.node, case, log.entries, told).save(path)
        module = self.node.split("::")[0]
        return f"{row.value}: {error}\ncase {case}\nTry it again: .venv/bin/pytest {module} --history {path}\n{told}"


def sizes(selection: int, full: int) -> pytest.MarkDecorator:
    """Run a test with few cases in ``make test``, and with all of them in ``make test-faults``."""
    few = pytest.param(selection, id="selection")
    return pytest.mark.parametrize("size", [few, pytest.param(full, id="full", marks=pytest.mark.faults)])
