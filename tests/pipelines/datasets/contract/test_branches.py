"""Branches: cheap, independent, and moved on purpose only."""

from __future__ import annotations

import pytest

from datamill_pipelines.datasets import Commit, Repo
from datamill_pipelines.datasets.errors import ExistsError, NotFoundError


def put(repo: Repo, branch: str, path: str, data: bytes = b"1") -> Commit:
    with repo.commit(branch) as txn:
        txn.put(path, data)
    return txn.commit


def names(repo: Repo, revision: str) -> list[str]:
    return [file.path for file in repo.commit_view(revision).files()]


def test_a_commit_makes_its_branch(repo: Repo) -> None:
    assert repo.branches == {}
    first = put(repo, "main", "a")
    other = put(repo, "other", "b")
    assert {"main": first, "other": other} == repo.branches
    assert (names(repo, "main"), names(repo, "other")) == (["a"], ["b"])


def test_a_branch_begins_at_any_commit_and_goes_its_own_way(repo: Repo) -> None:
    first, second = put(repo, "main", "a"), put(repo, "main", "b")
    repo.create_branch("dev", at=first.id)
    repo.create_branch("next", at="main")
    assert {"main": second.id, "dev": first.id, "next": second.id} == {n: c.id for n, c in repo.branches.items()}
    third = put(repo, "dev", "c")
    assert third.parents == (first.id,)
    assert (names(repo, "dev"), names(repo, "main"), names(repo, "next")) == (["a", "c"], ["a", "b"], ["a", "b"])


def test_a_branch_without_a_commit_has_no_head(repo: Repo) -> None:
    repo.create_branch("empty")
    assert repo.branches == {"empty": None}
    with pytest.raises(NotFoundError):
        repo.resolve("empty")
    first = put(repo, "empty", "a")
    assert first.parents == ()
    assert [first.id] == [commit.id for commit in repo.log("empty")]


def test_a_taken_branch_name_and_a_missing_start_are_refused(repo: Repo) -> None:
    put(repo, "main", "a")
    with pytest.raises(ExistsError):
        repo.create_branch("main")
    with pytest.raises(NotFoundError):
        repo.create_branch("dev", at="nothing")
    assert list(repo.branches) == ["main"]


def test_a_deleted_branch_is_gone_and_its_name_is_free(repo: Repo) -> None:
    put(repo, "main", "a")
    put(repo, "dev", "b")
    repo.delete_branch("dev")
    assert list(repo.branches) == ["main"]
    with pytest.raises(NotFoundError):
        repo.resolve("dev")
    with pytest.raises(NotFoundError):
        repo.delete_branch("dev")
    again = put(repo, "dev", "c")
    assert again.parents == ()
    assert names(repo, "dev") == ["c"]


def test_a_rollback_makes_an_earlier_commit_the_head(repo: Repo) -> None:
    first, second = put(repo, "main", "a"), put(repo, "main", "b")
    assert repo.rollback("main", first.id).id == first.id
    assert names(repo, "main") == ["a"]
    third = put(repo, "main", "c")
    assert third.parents == (first.id,)
    assert names(repo, "main") == ["a", "c"]
    assert repo.commit_view(second.id).read_bytes("b") == b"1"
    repo.rollback("main", "main~1", message="not that one", author="ada")
    assert names(repo, "main") == ["a"]
    with pytest.raises(NotFoundError):
        repo.rollback("nothing", first.id)
    with pytest.raises(NotFoundError):
        repo.rollback("main", "nothing")
