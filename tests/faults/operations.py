"""Random operations on a store, and on a model in memory that says what should be there."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from faults.bench import Log, Violation, expect, must_work
from faults.soundness import read_files

from datamill_pipelines.datasets.errors import MergeConflictError
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.testing import Crash, CrashingStore, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable


Files = dict[str, bytes]


class Model:
    """What should be there: the history as a graph of whole states."""

    def __init__(self) -> None:
        self.states: dict[str, Files] = {}
        self.parents: dict[str, list[str]] = {}
        self.branches: dict[str, str] = {}
        self.tags: dict[str, str] = {}

    def alive(self) -> set[str]:
        """What branches and tags reach."""
        return self.ancestors(*self.branches.values(), *self.tags.values())

    def ancestors(self, *commits: str) -> set[str]:
        seen: set[str] = set()
        waiting = [*commits]
        while waiting:
            each = waiting.pop()
            if each not in seen:
                seen.add(each)
                waiting += self.parents[each]
        return seen

    def merged(self, base: str | None, ours: str, theirs: str) -> Files | None:
        start, one, two = self.states[base] if base else {}, self.states[ours], self.states[theirs]
        result = {}
        for path in start.keys() | one.keys() | two.keys():
            a, b, c = start.get(path), one.get(path), two.get(path)
            if a not in (b, c) and b != c:
                return None
            kept = c if a == b else b
            if kept is not None:
                result[path] = kept
        return result


class Driver:
    """Does the same to a store and to the model."""

    def __init__(self, seed: int, log: Log) -> None:
        self.chance = random.Random(seed)
        self.objects = MemoryStore()
        self.store = DatasetStore(self.objects)
        self.repo = self.store.create_repo("raw/flights")
        self.model = Model()
        self.counts: Counter[str] = Counter()
        self._log = log

    @property
    def operations(self) -> int:
        """How many were done. A commit is not one: the puts and deletes in it are."""
        return self.counts.total() - self.counts["commit"] - self.counts["reopen"]

    def step(self) -> None:
        actions: list[tuple[Callable[[], None], int]] = [
            (self.commit, 30), (self.crash, 6), (self.branch, 2), (self.delete_branch, 1), (self.tag, 1),
            (self.delete_tag, 1), (self.rollback, 1), (self.merge, 3), (self.collect, 1), (self.reopen, 1),
        ]  # fmt: skip
        (action,) = self.chance.choices([each for each, _ in actions], [weight for _, weight in actions])
        self.counts[action.__name__] += 1
        self._log(action.__name__, model=dict(self.model.branches))
        action()

    def changes(self, state: Files) -> dict[str, bytes | None]:
        paths = [f"{self.chance.choice('ab')}/{number}" for number in range(12)] + ["t.csv", "u.json"]
        chosen = self.chance.sample(paths, self.chance.randrange(1, 9))
        delete = self.chance.sample(sorted(state), min(len(state), self.chance.randrange(4)))
        self.counts["put"] += len(chosen)
        self.counts["delete"] += len(delete)
        return {path: b"%d" % self.chance.randrange(4) for path in chosen} | dict.fromkeys(delete)

    def pick(self) -> str | None:
        return self.chance.choice(sorted(self.model.branches)) if self.model.branches else None

    def commit(self) -> None:
        branch = self.chance.choice(["main", "b1", "b2"])
        self._commit(self.repo.store, branch, self.changes(self._state(branch)))

    def crash(self) -> None:
        """A writer is killed somewhere; whatever it has achieved is found out."""
        branch = self.chance.choice(["main", "b1", "b2"])
        changes = self.changes(self._state(branch))
        before = self._head(branch)
        wrapped = CrashingStore(self.objects, self.chance.randrange(14), after=self.chance.random() < 0.5)
        try:
            self._commit(DatasetStore(wrapped), branch, changes)
        except Crash:
            after = self._head(branch)
            if after != before and after is not None:
                self._note(after, branch, self._applied(branch, changes))

    def branch(self) -> None:
        name, at = self.chance.choice(["b1", "b2", "b3"]), self._any_commit()
        if name not in self.model.branches and at is not None:
            self.repo.create_branch(name, at)
            self.model.branches[name] = at

    def delete_branch(self) -> None:
        name = self.pick()
        if name is not None and name != "main":
            self.repo.delete_branch(name)
            del self.model.branches[name]

    def tag(self) -> None:
        name, at = self.chance.choice(["v1", "v2", "v3"]), self._any_commit()
        if name not in self.model.tags and at is not None:
            self.repo.create_tag(name, at)
            self.model.tags[name] = at

    def delete_tag(self) -> None:
        if self.model.tags:
            name = self.chance.choice(sorted(self.model.tags))
            self.repo.delete_tag(name)
            del self.model.tags[name]

    def rollback(self) -> None:
        branch, to = self.pick(), self._any_commit()
        if branch is not None and to is not None:
            self.repo.rollback(branch, to)
            self.model.branches[branch] = to

    def merge(self) -> None:
        source, into = self.pick(), self.pick()
        if source is None or into is None or source == into:
            return
        theirs, ours = self.model.branches[source], self.model.branches[into]
        shared = self.model.ancestors(ours) & self.model.ancestors(theirs)
        # Several nearest ancestors are possible after crossed merges; then only soundness is checked.
        nearest = [c for c in shared if not any(c in self.model.ancestors(d) - {d} for d in shared)]
        expected = self.model.merged(nearest[0] if nearest else None, ours, theirs)
        try:
            commit = self.repo.merge(source, into)
        except MergeConflictError:
            expect(len(nearest) > 1 or expected is None, "a merge conflicts, and should not")
            return
        if theirs in self.model.ancestors(ours):
            expect(commit is None, "a merge of what is merged made a commit")
        elif commit is not None:
            if len(nearest) > 1:
                expected = read_files(self.objects, f"raw/flights@{into}")
            if expected is None:
                raise Violation("a merge of conflicting changes was made")
            self._note(commit.id, into, expected, [ours, theirs])

    def collect(self) -> None:
        self.objects.skew += timedelta(days=2)
        wrapped = CrashingStore(self.objects, self.chance.randrange(400), after=True)
        with contextlib.suppress(Crash):
            DatasetStore(wrapped).gc(grace=timedelta(0))
        self.repo = DatasetStore(self.objects).repo("raw/flights")

    def reopen(self) -> None:
        self.repo = DatasetStore(self.objects).repo("raw/flights")

    def check(self) -> None:
        """Names, contents and histories are the model's.

        Raises:
            Violation: they are not.
        """
        with must_work("listing branches and tags"):
            repo = DatasetStore(self.objects).repo("raw/flights")
            heads = {name: commit.id for name, commit in repo.branches.items() if commit is not None}
            tags = {name: commit.id for name, commit in repo.tags.items()}
        expect(heads == self.model.branches, f"branches are {heads} and not {self.model.branches}")
        expect(tags == self.model.tags, f"tags are {tags} and not {self.model.tags}")
        alive = self.model.alive()
        some = self.chance.sample(list(self.model.states), min(3, len(self.model.states)))
        for commit in [*heads.values(), *tags.values(), *(each for each in some if each in alive)]:
            found, expected = read_files(self.objects, f"raw/flights@{commit}"), self.model.states[commit]
            expect(found == expected, f"commit {commit} holds {found} and not {expected}")
        for name, head in heads.items():
            with must_work(f"the log of {name}"):
                history = {commit.id for commit in repo.log(name)}
            expect(history <= self.model.ancestors(head), f"the log of {name} has commits that do not belong there")

    def _commit(self, store: DatasetStore, branch: str, changes: dict[str, bytes | None]) -> None:
        with store.repo("raw/flights").commit(branch) as transaction:
            for path, data in changes.items():
                if data is None:
                    transaction.delete(path)
                else:
                    transaction.put(path, data)
        if transaction.commit is not None:
            self._note(transaction.commit.id, branch, self._applied(branch, changes))
        else:
            expect(self._applied(branch, changes) == self._state(branch), "a change made no commit")

    def _applied(self, branch: str, changes: dict[str, bytes | None]) -> Files:
        return {path: data for path, data in {**self._state(branch), **changes}.items() if data is not None}

    def _state(self, branch: str) -> Files:
        return self.model.states[self.model.branches[branch]] if branch in self.model.branches else {}

    def _head(self, branch: str) -> str | None:
        commit = DatasetStore(self.objects).repo("raw/flights").branches.get(branch)
        return commit.id if commit is not None else None

    def _note(self, commit: str, branch: str, state: Files, parents: list[str] | None = None) -> None:
        self.model.states[commit] = state
        if parents is None:
            parents = [self.model.branches[branch]] if branch in self.model.branches else []
        self.model.parents[commit] = parents
        self.model.branches[branch] = commit

    def _any_commit(self) -> str | None:
        alive = self.model.alive()
        return self.chance.choice([commit for commit in self.model.states if commit in alive]) if alive else None
