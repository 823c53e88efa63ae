"""One round of collecting garbage beside writers that want it back, each of them killed where chance says."""

from __future__ import annotations

import random
from datetime import timedelta

from faults.bench import Log, Violation, expect, must_work
from faults.soundness import Files, check_sound, read_files

from datamill_pipelines.datasets.condemned import NONE
from datamill_pipelines.datasets.errors import CollectedError, ConflictError, NotFoundError
from datamill_pipelines.datasets.objects import ObjectStore
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.testing import Crash, CrashingStore, InterruptedStore, MemoryStore

REPO = "raw/flights"
NOW = timedelta(seconds=-2)
"""Spares nothing: some stores' clocks show whole seconds."""

CONTENTS = [b"one", b"two", b"three", b"four" * 2000, b"five" * 3000]
"""Few, so that writers often want what is garbage."""

PATHS = ["a.csv", "b.parq", "s/1", "s/2", "s/3", "t.csv"]


class Round:
    """A store with garbage, and what its branches should hold.

    Args:
        seed: of all that happens.
        log: told what happens.
        careless: negative control: writers do not look at what is being collected.
    """

    def __init__(self, seed: str, log: Log, *, careless: bool = False) -> None:
        self.chance = random.Random(seed)
        self.objects = MemoryStore()
        self.branches: dict[str, list[Files]] = {"main": [{}]}
        self._log, self._careless = log, careless
        DatasetStore(self.objects).create_repo(REPO)
        for branch in ("main", "side", "old"):
            for _ in range(self.chance.randrange(1, 4)):
                self._commit(self.objects, branch)
        for branch in ("side", "old"):
            DatasetStore(self.objects).repo(REPO).delete_branch(branch)
            del self.branches[branch]
        self._age()

    def play(self) -> None:
        """A collection with writers and another collection at some of its moments, killed or not; then one in peace."""
        disturbed: ObjectStore = self.objects
        for _ in range(self.chance.randrange(1, 4)):
            disturbed = InterruptedStore(disturbed, self.chance.randrange(70), self._write)
        if self.chance.random() < 0.3:
            disturbed = InterruptedStore(disturbed, self.chance.randrange(70), self._collect_another)
        if self.chance.random() < 0.7:
            disturbed = CrashingStore(disturbed, self.chance.randrange(70), after=self.chance.random() < 0.5)
        self._collect(disturbed, "the collection")
        self.check()
        self._write()
        self._age()
        self._collect(self.objects, "the next collection")
        self.check()
        check_sound(self.objects, nothing_left=True)

    def check(self) -> None:
        """Every branch holds what was committed to it, or what a killed writer was about to commit."""
        check_sound(self.objects)
        with must_work("listing branches"):
            branches = DatasetStore(self.objects).repo(REPO).branches
            there = {name for name, commit in branches.items() if commit is not None}
        for branch, possible in self.branches.items():
            if branch not in there and {} in possible:
                continue
            found = read_files(self.objects, f"{REPO}@{branch}")
            expect(found in possible, f"{branch} holds {sorted(found)} and none of {[sorted(p) for p in possible]}")
            self.branches[branch] = [found]

    def _collect(self, objects: ObjectStore, what: str) -> None:
        try:
            swept = DatasetStore(objects).gc(grace=NOW)
            self._log(what, deleted=swept.objects)
        except Crash as crash:
            self._log(f"{what} was killed", at=str(crash))
        except ConflictError as error:
            self._log(f"{what} gave way", reason=error.reason)

    def _collect_another(self) -> None:
        self._age()
        objects = CrashingStore(self.objects, self.chance.randrange(120), after=self.chance.random() < 0.5)
        self._collect(objects, "another collection")

    def _write(self) -> None:
        """A commit to a branch that is there or not, by a writer that is killed now and then."""
        branch = self.chance.choice(["main", "new", "side"])
        objects: ObjectStore = self.objects
        if self.chance.random() < 0.3:
            objects = CrashingStore(self.objects, self.chance.randrange(16), after=self.chance.random() < 0.5)
        self._commit(objects, branch)

    def _commit(self, objects: ObjectStore, branch: str) -> None:
        before = self.branches.setdefault(branch, [{}])
        changes = {
            path: self.chance.choice(CONTENTS) for path in self.chance.sample(PATHS, self.chance.randrange(1, 5))
        }
        after = [{**state, **changes} for state in before]
        self._log("a commit", branch=branch, paths=sorted(changes))
        try:
            store = DatasetStore(objects)
            if self._careless:
                store.collections.get = lambda _: NONE  # type: ignore[method-assign, assignment]
            with store.repo(REPO).commit(branch) as transaction:
                for path, data in changes.items():
                    transaction.put(path, data)
        except Crash as crash:
            self._log("the writer was killed", at=str(crash))
            self.branches[branch] = before + after
        except (CollectedError, ConflictError, NotFoundError) as error:
            # Named, and nothing was acknowledged. It may not be anything else.
            self._log("the writer was refused", reason=error.reason)
        else:
            self.branches[branch] = after

    def _age(self) -> None:
        """Two days later: every writer is long gone, and what it wrote is old."""
        self.objects.skew += timedelta(days=2)


def play(seed: str, log: Log, *, careless: bool = False) -> None:
    """One round.

    Raises:
        Violation: something reachable was lost, or garbage was left.
    """
    try:
        Round(seed, log, careless=careless).play()
    except (NotFoundError, CollectedError) as error:
        raise Violation(f"refused where nothing was collected: {error}") from error
