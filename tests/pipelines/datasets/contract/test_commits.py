"""A commit lands as a whole or not at all, and holds exactly what was put."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pipelines.datasets.contract.providers import Provider

from datamill_pipelines.datasets import CommitView, Repo
from datamill_pipelines.datasets.errors import InvalidNameError, NotFoundError


def content(view: CommitView) -> dict[str, bytes]:
    return {file.path: view.read_bytes(file.path) for file in view.files()}


def test_what_was_put_is_read_back_by_another_client(provider: Provider, repo: Repo) -> None:
    files = {"a.txt": b"one", "empty": b"", "2013/01/part-0.bin": bytes(range(256)), "month=2013-01/x.json": b"{}"}
    with repo.commit() as txn:
        for path, data in files.items():
            txn.put(path, data)
    assert files == content(provider.open().commit_view(f"{repo.name}@main"))


def test_files_come_from_bytes_from_disk_and_from_streams(repo: Repo, tmp_path: Path) -> None:
    large = random.Random(1).randbytes(3_500_000)
    (tmp_path / "large").write_bytes(large)
    with repo.commit() as txn:
        txn.put("bytes", b"abc")
        txn.put("path", tmp_path / "large")
        txn.put("stream", io.BytesIO(large))
        txn.put("short-stream", io.BytesIO(b"xyz"))
        txn.put("empty-stream", io.BytesIO())
    view = repo.commit_view()
    expected = {"bytes": b"abc", "path": large, "stream": large, "short-stream": b"xyz", "empty-stream": b""}
    assert expected == content(view)
    assert {path: len(data) for path, data in expected.items()} == {file.path: file.size for file in view.files()}


def test_an_exception_leaves_everything_as_it_was(repo: Repo) -> None:
    with pytest.raises(ZeroDivisionError), repo.commit() as txn:
        txn.put("a", b"1")
        raise ZeroDivisionError
    assert txn.commit is None
    with pytest.raises(NotFoundError):
        repo.resolve("main")
    with repo.commit() as first:
        first.put("a", b"1")
    with pytest.raises(ZeroDivisionError), repo.commit() as txn:
        txn.put("a", b"2")
        txn.delete("a")
        raise ZeroDivisionError
    assert repo.resolve("main").id == first.commit.id
    assert content(repo.commit_view()) == {"a": b"1"}


def test_only_what_is_named_changes(repo: Repo) -> None:
    with repo.commit() as txn:
        for path in ("keep", "replace", "delete", "d/1", "d/2", "dd"):
            txn.put(path, path.encode())
    with repo.commit() as txn:
        txn.put("replace", b"new")
        txn.delete("delete")
        txn.delete("was never there")
        txn.delete_prefix("d/")
    assert content(repo.commit_view()) == {"keep": b"keep", "replace": b"new", "dd": b"dd"}
    assert content(repo.commit_view("main~1")).keys() == {"keep", "replace", "delete", "d/1", "d/2", "dd"}


def test_the_last_word_in_a_transaction_holds(repo: Repo) -> None:
    with repo.commit() as txn:
        txn.put("d/old", b"1")
        txn.put("gone", b"1")
    with repo.commit() as txn:
        txn.put("twice", b"first")
        txn.put("twice", b"second")
        txn.put("d/put-then-deleted", b"1")
        txn.delete_prefix("d/")
        txn.put("d/new", b"2")
        txn.delete("gone")
        txn.put("gone", b"back")
        txn.put("never", b"1")
        txn.delete("never")
    assert content(repo.commit_view()) == {"twice": b"second", "d/new": b"2", "gone": b"back"}


def test_a_transaction_that_changes_nothing_makes_no_commit(repo: Repo) -> None:
    with repo.commit() as empty:
        pass
    with repo.commit() as first:
        first.put("a", b"1")
        first.put("b", b"2")
    with repo.commit(message="the same again") as same:
        same.put("a", b"1")
        same.delete("missing")
    with repo.commit() as replaced:
        replaced.delete_prefix("")
        replaced.put("a", b"1")
        replaced.put("b", b"2")
    assert (empty.commit, same.commit, replaced.commit) == (None, None, None)
    assert [first.commit.id] == [commit.id for commit in repo.log()]


def test_a_commit_says_who_when_why_and_by_which_code(provider: Provider, repo: Repo) -> None:
    before = datetime.now(UTC)
    with repo.commit(
        message="January, corrected", author="ada", run_id="run-7", code_version="9f2c", metadata={"rows": 5}
    ) as txn:
        txn.put("a", b"123")
        txn.put("b", b"4567")
        txn.metadata["dropped"] = ["x", {"y": None}]
    commit = provider.open().repo(repo.name).resolve("main")
    assert (
        commit.message,
        commit.author,
        commit.run_id,
        commit.code_version,
    ) == ("January, corrected", "ada", "run-7", "9f2c")
    assert commit.metadata == {"rows": 5, "dropped": ["x", {"y": None}]}
    assert (commit.repo, commit.branch, commit.parents, commit.files, commit.size) == (repo.name, "main", (), 2, 7)
    assert commit.created_at.tzinfo is not None
    assert before - timedelta(minutes=5) < commit.created_at < datetime.now(UTC) + timedelta(minutes=5)
    assert commit == txn.commit


def test_history_is_a_line_from_the_newest_back(repo: Repo) -> None:
    ids = []
    for number in range(4):
        with repo.commit(message=f"number {number}") as txn:
            txn.put("n", str(number).encode())
        ids.append(txn.commit.id)
    log = list(repo.log("main"))
    assert ids[::-1] == [commit.id for commit in log]
    assert [commit.message for commit in log] == ["number 3", "number 2", "number 1", "number 0"]
    assert [(ids[2],), (ids[1],), (ids[0],), ()] == [commit.parents for commit in log]
    assert ids[:1:-1] == [commit.id for commit in repo.log("main", limit=2)]
    assert ids[1::-1] == [commit.id for commit in repo.log(ids[1])]
    assert [ids[1]] == [commit.id for commit in repo.parents(repo.resolve(ids[2]))]


def test_equal_files_have_equal_digests_wherever_they_are(new_repo: Callable[..., Repo]) -> None:
    one, other = new_repo(), new_repo()
    with one.commit(message="a") as txn:
        txn.put("x/1", b"same")
        txn.put("y", b"")
    first = txn.commit
    with one.commit() as txn:
        txn.put("x/1", b"different")
    with one.commit() as txn:
        txn.put("x/1", b"same")
    with other.commit(message="b") as elsewhere:
        elsewhere.put("y", b"")
        elsewhere.put("x/1", b"same")
        elsewhere.put("z", b"same")
        elsewhere.delete("z")
    assert first.tree == txn.commit.tree == elsewhere.commit.tree == other.commit_view().tree_digest
    assert first.tree != one.resolve("main~1").tree
    digests = {file.path: file.digest for file in other.commit_view().files()}
    assert digests == {file.path: file.digest for file in one.commit_view().files()}
    assert digests["x/1"] != digests["y"]
    assert other.commit_view().subtree_digest("x/") == one.commit_view().subtree_digest("x/")


@pytest.mark.parametrize("path", ["", "/absolute", "a/../b", "./a", "a//b", "a/", "tab\there", "new\nline"])
def test_paths_that_could_be_misread_are_refused_where_they_are_put(repo: Repo, path: str) -> None:
    with repo.commit() as txn:
        with pytest.raises(InvalidNameError):
            txn.put(path, b"1")
        txn.put("good", b"1")
    assert content(repo.commit_view()) == {"good": b"1"}


def test_no_path_is_a_file_and_a_folder_at_once(repo: Repo) -> None:
    with pytest.raises(InvalidNameError), repo.commit() as txn:
        txn.put("a", b"1")
        txn.put("a/b", b"1")
    assert txn.commit is None
    with repo.commit() as txn:
        txn.put("a", b"1")
    with pytest.raises(InvalidNameError), repo.commit() as txn:
        txn.put("a/b", b"2")
    assert content(repo.commit_view()) == {"a": b"1"}
    with repo.commit() as txn:
        txn.delete("a")
        txn.put("a/b", b"2")
    assert content(repo.commit_view()) == {"a/b": b"2"}


def test_a_commit_may_leave_no_file(repo: Repo) -> None:
    with repo.commit() as txn:
        txn.put("a", b"1")
    with repo.commit() as txn:
        txn.delete("a")
    assert (txn.commit.files, txn.commit.size) == (0, 0)
    assert content(repo.commit_view()) == {}
    with repo.commit() as txn:
        txn.put("b", b"1")
    assert content(repo.commit_view()) == {"b": b"1"}


def test_many_files_at_once(repo: Repo) -> None:
    files = {f"{number % 7}/{number:04d}": str(number).encode() for number in range(300)}
    with repo.commit() as txn:
        for path, data in files.items():
            txn.put(path, data)
    view = repo.commit_view()
    assert sorted(files) == [file.path for file in view.files()]
    assert txn.commit.files == 300
    assert files["3/0003"] == view.read_bytes("3/0003")


def test_the_head_is_the_state_the_transaction_began_with(repo: Repo) -> None:
    with repo.commit() as txn:
        assert txn.head is None
        txn.put("a", b"1")
        txn.put("b", b"1")
    with repo.commit() as txn:
        assert txn.head.id == repo.resolve().id
        txn.put("a", txn.head.read_bytes("a") + b"2")
        assert txn.head.read_bytes("a") == b"1"
    assert content(repo.commit_view()) == {"a": b"12", "b": b"1"}
