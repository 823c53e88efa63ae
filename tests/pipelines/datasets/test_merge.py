"""Merging is three-way and file by file; conflicts are named and nothing is written."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from datamill_pipelines.datasets import FencedError
from datamill_pipelines.datasets.errors import MergeConflictError
from datamill_pipelines.datasets.history import common_ancestor
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.testing import MemoryStore

if TYPE_CHECKING:
    from datamill_pipelines.datasets import CommitView, Repo

Files = dict[str, bytes | None]


def put(repo: Repo, files: Files, branch: str = "main", **positions: tuple[int, int]) -> None:
    with repo.commit(branch) as transaction:
        for path, data in files.items():
            if data is None:
                transaction.delete(path)
            else:
                transaction.put(path, data)
        for key, step in positions.items():
            transaction.advance(key, *step)


def contents(view: CommitView) -> dict[str, bytes]:
    return {file.path: view.read_bytes(file.path) for file in view.files()}


def test_what_only_one_side_changed_is_taken_from_it(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    put(repo, {"a": b"1", "b": b"1", "c": b"1", "d": b"1"})
    repo.create_branch("side", "main")
    put(repo, {"a": b"2", "new": b"x", "c": None, "d": b"both"}, "side")
    put(repo, {"b": b"2", "d": b"both"})
    ours, theirs = repo.resolve(), repo.resolve("side")
    commit = repo.merge("side", message="in it goes", author="me")
    assert commit is not None
    assert commit.parents == (ours.id, theirs.id)
    assert (commit.message, commit.author) == ("in it goes", "me")
    assert contents(repo.commit_view()) == {"a": b"2", "b": b"2", "d": b"both", "new": b"x"}
    assert repo.merge("side") is None


def test_conflicts_are_named_and_nothing_is_written(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    put(repo, {"a": b"1", "b": b"1", "c": b"1"})
    repo.create_branch("side", "main")
    put(repo, {"a": b"2", "b": None, "c": b"3"}, "side")
    put(repo, {"a": b"3", "b": b"2", "c": b"3", "d": b"4"})
    before = repo.resolve()
    with pytest.raises(MergeConflictError, match="both sides changed a, b") as caught:
        repo.merge("side")
    assert caught.value.paths == ("a", "b")
    assert repo.resolve() == before


def test_a_second_merge_of_a_branch_starts_from_the_first(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    put(repo, {"a": b"1"})
    repo.create_branch("side", "main")
    put(repo, {"b": b"1"}, "side")
    repo.merge("side")
    put(repo, {"b": b"2"}, "side")
    put(repo, {"a": b"2"})
    repo.merge("side")
    assert contents(repo.commit_view()) == {"a": b"2", "b": b"2"}


def test_unrelated_branches_merge_when_their_files_agree(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    put(repo, {"a": b"1", "same": b"x"})
    put(repo, {"b": b"1", "same": b"x"}, "side")
    repo.merge("side")
    assert contents(repo.commit_view()) == {"a": b"1", "b": b"1", "same": b"x"}


def test_a_sinks_branch_takes_files_and_keeps_its_positions(memory: DatasetStore) -> None:
    repo = memory.create_repo("raw/flights")
    put(repo, {"rows/0": b"1"}, k=(0, 10))
    repo.create_branch("fix", "main")
    put(repo, {"rows/0": b"corrected"}, "fix")
    put(repo, {"rows/1": b"2"}, k=(10, 20))
    repo.merge("fix")
    assert contents(repo.commit_view()) == {"rows/0": b"corrected", "rows/1": b"2"}
    put(repo, {"rows/2": b"3"}, k=(20, 30))


def test_a_sinks_branch_refuses_a_branch_with_positions_of_its_own(memory: DatasetStore) -> None:
    repo = memory.create_repo("raw/flights")
    put(repo, {"rows/0": b"1"}, k=(0, 10))
    repo.create_branch("side", "main")
    put(repo, {"rows/side": b"2"}, "side", k=(10, 15))
    put(repo, {"rows/1": b"2"}, k=(10, 20))
    with pytest.raises(MergeConflictError, match="positions of k"):
        repo.merge("side")
    assert repo.resolve().positions["k"].end == 20


def test_positions_that_only_the_other_side_moved_are_taken_over(memory: DatasetStore) -> None:
    repo = memory.create_repo("raw/flights")
    put(repo, {"rows/0": b"1"}, k=(0, 10))
    repo.create_branch("side", "main")
    put(repo, {"rows/1": b"2"}, "side", k=(10, 15), other=(3, 4))
    put(repo, {"note": b"x"})
    repo.merge("side")
    assert {key: reached.end for key, reached in repo.resolve().positions.items()} == {"k": 15, "other": 4}
    with pytest.raises(FencedError):
        put(repo, {"rows/1": b"2"}, k=(10, 20))


@pytest.mark.parametrize("seed", range(8))
def test_random_merges_match_a_model(seed: int) -> None:
    chance = random.Random(seed)
    repo = DatasetStore(MemoryStore()).create_repo("raw/flights")
    start = {f"f{number}": b"%d" % chance.randrange(3) for number in range(30)}
    put(repo, dict(start))
    repo.create_branch("side", "main")
    sides = {"main": dict(start), "side": dict(start)}
    for branch in sides:
        changes: Files = {}
        for path in chance.sample([*sorted(start), "x", "y", "z"], 6):
            changes[path] = chance.choice([None, b"0", b"1", b"2"])
        put(repo, changes, branch)
        sides[branch] = {p: d for p, d in {**start, **changes}.items() if d is not None}
    merged, conflicts = {}, []
    for path in sorted(sides["main"].keys() | sides["side"].keys() | start.keys()):
        base, ours, theirs = start.get(path), sides["main"].get(path), sides["side"].get(path)
        if ours not in (base, theirs) and theirs != base:
            conflicts.append(path)
        result = theirs if ours == base else ours
        if result is not None:
            merged[path] = result
    if conflicts:
        with pytest.raises(MergeConflictError) as caught:
            repo.merge("side")
        assert list(caught.value.paths) == conflicts
        assert contents(repo.commit_view()) == sides["main"]
    else:
        repo.merge("side")
        assert contents(repo.commit_view()) == merged


def test_the_common_ancestor_is_found_over_merges(memory: DatasetStore) -> None:
    repo = memory.create_repo("raw/flights")
    put(repo, {"a": b"1"})
    first = repo.resolve()
    repo.create_branch("side", "main")
    put(repo, {"b": b"1"}, "side")
    side = repo.resolve("side")
    put(repo, {"a": b"2"})
    assert common_ancestor(repo, repo.resolve(), side) == first
    repo.merge("side")
    put(repo, {"c": b"1"}, "side")
    assert common_ancestor(repo, repo.resolve(), repo.resolve("side")) == side
    put(repo, {"z": b"1"}, "other")
    assert common_ancestor(repo, repo.resolve(), repo.resolve("other")) is None
