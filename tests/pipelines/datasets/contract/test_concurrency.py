"""Several writers on one branch: none overwrites what another has done, and history stays a line."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pipelines.datasets.contract.providers import Provider

from datamill_pipelines.datasets import CommitView, Repo
from datamill_pipelines.datasets.errors import ConflictError

WRITERS, COMMITS = 4, 4


def content(view: CommitView) -> dict[str, bytes]:
    return {file.path: view.read_bytes(file.path) for file in view.files()}


def test_changes_to_different_files_are_built_upon_each_other(provider: Provider, repo: Repo) -> None:
    with repo.commit() as txn:
        txn.put("base", b"0")
    other = provider.open().repo(repo.name)
    with repo.commit() as slow:
        slow.put("slow", b"1")
        with other.commit() as fast:
            fast.put("fast", b"2")
    assert slow.commit.parents == (fast.commit.id,)
    assert content(repo.commit_view()) == {"base": b"0", "slow": b"1", "fast": b"2"}
    assert slow.commit.files == 3


@pytest.mark.parametrize("existing", [False, True], ids=["new branch", "existing branch"])
def test_a_change_to_the_same_file_is_a_conflict_and_nothing_is_written(
    provider: Provider, repo: Repo, existing: bool
) -> None:
    if existing:
        with repo.commit() as txn:
            txn.put("base", b"0")
    other = provider.open().repo(repo.name)
    with pytest.raises(ConflictError) as caught, repo.commit() as slow:
        slow.put("same", b"1")
        slow.put("more", b"1")
        with other.commit() as fast:
            fast.put("same", b"2")
    assert caught.value.paths == ("same",)
    assert slow.commit is None
    assert repo.resolve().id == fast.commit.id
    assert content(repo.commit_view())["same"] == b"2"
    assert "more" not in repo.commit_view()


def test_what_was_read_from_the_head_must_not_have_changed(provider: Provider, repo: Repo) -> None:
    with repo.commit() as txn:
        txn.put("counter", b"1")
    other = provider.open().repo(repo.name)
    with pytest.raises(ConflictError), repo.commit() as slow:
        slow.put("copy", slow.head.read_bytes("counter"))
        with other.commit() as fast:
            fast.put("counter", b"2")
    assert content(repo.commit_view()) == {"counter": b"2"}


def test_a_deleted_prefix_that_somebody_fills_is_a_conflict(provider: Provider, repo: Repo) -> None:
    with repo.commit() as txn:
        txn.put("d/1", b"1")
    other = provider.open().repo(repo.name)
    with pytest.raises(ConflictError), repo.commit() as slow:
        slow.delete_prefix("d/")
        with other.commit() as fast:
            fast.put("d/2", b"2")
    assert content(repo.commit_view()) == {"d/1": b"1", "d/2": b"2"}


@pytest.mark.parametrize("reading", [False, True], ids=["plain", "with provenance"])
def test_every_commit_of_many_writers_is_there_once_in_one_line(
    provider: Provider, repo: Repo, new_repo: Callable[..., Repo], reading: bool
) -> None:
    upstream = new_repo("raw/weather")
    with upstream.commit() as txn:
        txn.put("n", b"1")
    source = txn.commit.id

    def write(writer: int) -> list[str]:
        mine = provider.open().repo(repo.name)
        ids = []
        for number in range(COMMITS):
            with mine.commit(message=f"{writer}/{number}") as txn:
                if reading:
                    txn.read(f"{upstream.name}@main")
                txn.put(f"{writer}/{number}", f"{writer}-{number}".encode())
            ids.append(txn.commit.id)
        return ids

    with ThreadPoolExecutor(WRITERS) as pool:
        ids = list(pool.map(write, range(WRITERS)))
    log = list(repo.log())
    assert sorted(commit.id for commit in log) == sorted(each for mine in ids for each in mine)
    assert [commit.parents for commit in log] == [(commit.id,) for commit in log[1:]] + [()]
    for mine in ids:
        assert [commit.id for commit in reversed(log) if commit.id in mine] == mine
    expected = {f"{w}/{n}": f"{w}-{n}".encode() for w in range(WRITERS) for n in range(COMMITS)}
    assert expected == content(repo.commit_view())
    assert list(range(len(log), 0, -1)) == [commit.files for commit in log]
    assert {source} == {p.commit for c in log for p in c.provenance} if reading else True
