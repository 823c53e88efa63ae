"""The power fails at each file system call of a commit: what was never synced is lost, in any combination."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.bench import Bench, Case, Log, Trial, Violation, expect, must_work
from faults.changes import AFTER, BEFORE, REF, begin, change
from faults.rows import Row
from faults.soundness import check_sound, read_files

from datamill_pipelines.datasets.local import LocalStore
from datamill_pipelines.datasets.testing import Crash, PowerCutFiles, UnsyncedFiles

ODDS = (0.0, 1.0, 0.5, 0.5, 0.5)
"""That what was not synced survives nevertheless: nothing, everything, and thrice each thing by itself."""


class Hasty(PowerCutFiles):
    """Negative control: forgets to sync one kind of thing."""

    def __init__(self, root: Path, forget: str) -> None:
        super().__init__(root)
        self.forget = forget

    def sync(self, descriptor: int) -> None:
        if self.forget == "files":
            self._did()
        else:
            super().sync(descriptor)

    def sync_folder(self, path: str) -> None:
        if self.forget in path:
            self._did()
        else:
            super().sync_folder(path)


def cuts(folder: Path, seed: int, step: int = 1) -> Iterator[Case]:
    """Every call of the commit, and five outcomes of each."""
    files = PowerCutFiles(_copy(folder / "origin", folder / "counted"))
    change(LocalStore(folder / "counted", files))
    for cut in range(1, files.calls + 2, step):
        for number, odds in enumerate(ODDS):
            yield {"cut": cut, "odds": odds, "seed": f"{seed} {cut} {number}"}


def trial(folder: Path, forget: str | None = None) -> Trial:
    def try_one(case: Case, log: Log) -> None:
        root, left = folder / "cut", folder / "left"
        for path in (root, left):
            shutil.rmtree(path, ignore_errors=True)
        _copy(folder / "origin", root)
        files = PowerCutFiles(root) if forget is None else Hasty(root, forget)
        files.cut_at = case["cut"]
        done = False
        try:
            change(LocalStore(root, files))
            done = True
        except Crash as crash:
            log("power cut", at=str(crash))
        files.survivors(left, random.Random(case["seed"]), case["odds"])
        log("survivors", files=sorted(str(path.relative_to(left)) for path in left.rglob("*") if path.is_file()))
        check(left, done=done)

    return try_one


def check(left: Path, *, done: bool) -> None:
    """The old version or the new one, the new one if the commit had returned; and the next writer goes on."""
    check_sound(LocalStore(left, UnsyncedFiles()))
    found = read_files(LocalStore(left, UnsyncedFiles()), REF)
    expect(found in (BEFORE, AFTER), f"neither the old nor the new version: {found}")
    expect(found == AFTER or not done, "the commit had returned, and is lost")
    with must_work("the next commit"):
        change(LocalStore(left, UnsyncedFiles()))
    if read_files(LocalStore(left, UnsyncedFiles()), REF) != AFTER:
        raise Violation("the next commit did not bring the new version")


def _copy(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target


@pytest.mark.parametrize(
    ("step", "seeds"),
    [pytest.param(3, 1, id="selection"), pytest.param(1, 3, id="full", marks=pytest.mark.faults)],
)
def test_the_old_or_the_new_version(bench: Bench, tmp_path: Path, step: int, seeds: int) -> None:
    begin(LocalStore(tmp_path / "origin"))
    for number in range(seeds):
        shutil.rmtree(tmp_path / "counted", ignore_errors=True)
        bench.run(Row.POWER, cuts(tmp_path, bench.seed + number, step), trial(tmp_path))


@pytest.mark.control
@pytest.mark.parametrize("forget", ["files", "/blobs/", "/packs/", "/branches/"])
def test_a_sync_that_is_left_out_is_caught(bench: Bench, tmp_path: Path, forget: str) -> None:
    begin(LocalStore(tmp_path / "origin"))
    cases = list(cuts(tmp_path, bench.seed))
    random.Random(bench.seed).shuffle(cases)
    bench.control(Row.POWER, f"a store that does not sync {forget}", cases, trial(tmp_path, forget))
