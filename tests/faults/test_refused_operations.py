"""A full disk, an input/output error or no descriptor left, at each file operation: once, or from then on."""

from __future__ import annotations

import builtins
import errno
import functools
import itertools
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from faults.bench import Bench, Case, Log, Trial, expect, must_work, sizes
from faults.changes import AFTER, BEFORE, REF, begin, change
from faults.rows import Row
from faults.soundness import check_sound, read_files

from datamill_infra.model.errors import DatamillError
from datamill_pipelines.datasets import local
from datamill_pipelines.datasets.local import LocalStore
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.testing import FailingFiles, UnsyncedFiles

ERRORS = {"no space": errno.ENOSPC, "input/output": errno.EIO, "too many files": errno.EMFILE}
LONG_AGO = timedelta(seconds=-2)


class FailingReads:
    """Stands for ``open`` in the store's module: one call fails, or all from one on."""

    def __init__(self, error: int, at: int, *, lasting: bool) -> None:
        self._error, self._at, self._lasting = error, at, lasting
        self.calls = 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        index = self.calls
        self.calls += 1
        if index == self._at or (self._lasting and index > self._at >= 0):
            raise OSError(self._error, os.strerror(self._error))
        return builtins.open(*arguments, **named)  # noqa: PTH123 - stands for it


def operations(folder: Path) -> dict[str, int]:
    """How many there are of each kind when nothing fails."""
    files, reads = FailingFiles(OSError, -1), FailingReads(0, -1, lasting=False)
    with reading(reads):
        change(LocalStore(_copy(folder), files))
    return {"write": len(files.calls), "read": reads.calls}


def cases(folder: Path, most: int) -> Iterator[Case]:
    """Every operation, every error, once and lasting."""
    counted = operations(folder)
    found = [
        {"kind": kind, "at": at, "error": error, "lasting": lasting}
        for kind, error, lasting in itertools.product(counted, ERRORS, (False, True))
        if (kind, error) != ("read", "no space")  # reading needs none
        for at in range(counted[kind])
    ]
    step = max(len(found) // most, 1)
    return itertools.islice(found, 0, None, step)


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    begin(LocalStore(tmp_path / "origin"))
    return functools.partial(try_one, tmp_path)


def try_one(folder: Path, case: Case, log: Log) -> None:
    root, code = _copy(folder), ERRORS[case["error"]]
    at, lasting = case["at"], case["lasting"]
    files = FailingFiles(
        lambda: OSError(code, os.strerror(code)), at if case["kind"] == "write" else -1, lasting=lasting
    )
    reads = FailingReads(code, at if case["kind"] == "read" else -1, lasting=lasting)
    failed = False
    try:
        with reading(reads):
            change(LocalStore(root, files))
    except DatamillError as error:
        failed = True
        log("refused", error=str(error), calls=files.calls)
        expect(bool(error.instruction), "an error without an instruction")
    except OSError as error:
        log("an error without a name", error=repr(error), calls=files.calls)
        expect(False, f"an error without a reason and an instruction: {error!r}")
    check(root, failed=failed)


def check(root: Path, *, failed: bool) -> None:
    """No corrupt commit, and when space returns the next one succeeds and nothing is left behind."""
    check_sound(LocalStore(root, UnsyncedFiles()))
    found = read_files(LocalStore(root, UnsyncedFiles()), REF)
    expect(found in (BEFORE, AFTER), f"neither the old nor the new version: {found}")
    expect(failed or found == AFTER, "the commit said that it was made, and is not there")
    with must_work("committing when space has returned"):
        change(LocalStore(root, UnsyncedFiles()))
    expect(read_files(LocalStore(root, UnsyncedFiles()), REF) == AFTER, "the next commit did not bring the new version")
    for left in (root / "tmp").iterdir():  # a name whose removal was what failed
        os.utime(left, (0, 0))
    with must_work("collecting"):
        DatasetStore(LocalStore(root, UnsyncedFiles())).gc(grace=LONG_AGO)
    expect(list((root / "tmp").iterdir()) == [], "temporary files are left")
    check_sound(LocalStore(root, UnsyncedFiles()), nothing_left=True)


class reading:  # noqa: N801 - reads as a function
    """The store's module opens files through something else."""

    def __init__(self, instead: FailingReads) -> None:
        self._instead = instead

    def __enter__(self) -> None:
        vars(local)["open"] = self._instead

    def __exit__(self, *_: object) -> None:
        del vars(local)["open"]


def _copy(folder: Path) -> Path:
    root = folder / "try"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(folder / "origin", root)
    return root


@sizes(30, 10_000)
def test_nothing_is_committed_by_half(bench: Bench, tmp_path: Path, trial: Trial, size: int) -> None:
    bench.run(Row.REFUSED, cases(tmp_path, size), trial)


class Careless(FailingFiles):
    """Negative control: a store that takes a write that failed for one that was made."""

    def write(self, descriptor: int, body: bytes | Path) -> None:
        data = body.read_bytes() if isinstance(body, Path) else body
        os.write(descriptor, data[: len(data) // 2])


@pytest.mark.control
def test_a_store_that_ignores_short_writes_is_caught(bench: Bench, tmp_path: Path, trial: Trial) -> None:
    del trial

    def careless(case: Case, log: Log) -> None:
        del case, log
        root = _copy(tmp_path)
        change(LocalStore(root, Careless(OSError, -1)))
        check(root, failed=False)

    bench.control(Row.REFUSED, "a store that ignores short writes", [{}], careless)
