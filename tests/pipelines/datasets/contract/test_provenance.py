"""What was read to make a commit is in the commit, exactly, whatever happens upstream meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pipelines.datasets.contract.providers import Provider

from datamill_pipelines.datasets import Commit, Repo
from datamill_pipelines.datasets.errors import NotFoundError


def put(repo: Repo, data: bytes, branch: str = "main") -> Commit:
    with repo.commit(branch) as txn:
        txn.put("n", data)
    return txn.commit


def sources(commit: Commit) -> set[tuple[str, str, str]]:
    return {(each.repo, each.ref, each.commit) for each in commit.provenance}


@pytest.fixture
def raw(new_repo: Callable[..., Repo]) -> Repo:
    return new_repo("raw/flights")


@pytest.fixture
def features(new_repo: Callable[..., Repo]) -> Repo:
    return new_repo("features/delay")


def test_what_was_read_is_provenance_for_every_reader(provider: Provider, raw: Repo, features: Repo) -> None:
    upstream = put(raw, b"1")
    with features.commit() as txn:
        txn.put("f", txn.read(f"{raw.name}@main").read_bytes("n") + b"!")
    expected = {(raw.name, f"{raw.name}@main", upstream.id)}
    assert expected == sources(txn.commit)
    view = provider.open().commit_view(f"{features.name}@main")
    assert (view.read_bytes("f"), expected) == (b"1!", sources(view.commit))
    assert upstream.provenance == ()


def test_a_branch_is_pinned_when_it_is_touched_first(raw: Repo, features: Repo) -> None:
    first = put(raw, b"1")
    with features.commit() as txn:
        assert txn.read(f"{raw.name}@main").id == first.id
        put(raw, b"2")
        assert txn.read(f"{raw.name}@main").read_bytes("n") == b"1"
        txn.put("f", b"1")
    assert sources(txn.commit) == {(raw.name, f"{raw.name}@main", first.id)}


def test_any_commit_can_be_read_several_of_one_repo_too(raw: Repo, features: Repo) -> None:
    first, second, third = (put(raw, data) for data in (b"1", b"2", b"3"))
    with features.commit() as txn:
        older, newer = txn.read(f"{raw.name}@{first.id}"), txn.read(f"{raw.name}@main~1")
        assert (older.id, newer.id) == (first.id, second.id)
        txn.put("f", older.read_bytes("n") + newer.read_bytes("n") + txn.read(f"{raw.name}@main").read_bytes("n"))
    assert {first.id, second.id, third.id} == {commit for _, _, commit in sources(txn.commit)}
    assert features.commit_view().read_bytes("f") == b"123"


def test_each_commit_has_the_provenance_of_its_own_reads(raw: Repo, features: Repo) -> None:
    first = put(raw, b"1")
    with features.commit() as one:
        one.read(f"{raw.name}@main")
        one.put("f", b"1")
    with features.commit() as two:
        two.put("f", b"by hand")
    second = put(raw, b"2")
    with features.commit() as three:
        three.read(f"{raw.name}@main")
        three.put("f", b"2")
    assert [{second.id}, set(), {first.id}] == [{s[2] for s in sources(commit)} for commit in features.log()]
    assert [three.commit.id, two.commit.id, one.commit.id] == [commit.id for commit in features.log()]


def test_commits_upstream_do_not_touch_what_was_made_from_earlier_ones(raw: Repo, features: Repo) -> None:
    put(raw, b"1")
    with features.commit() as txn:
        txn.read(f"{raw.name}@main")
        txn.put("f", b"1")
    put(raw, b"2")
    put(raw, b"3")
    raw.create_branch("dev", at="main")
    assert [txn.commit.id] == [commit.id for commit in features.log()]
    assert list(raw.branches) == ["dev", "main"]
    assert list(features.branches) == ["main"]


def test_two_branches_of_a_repo_read_the_same_upstream(raw: Repo, features: Repo) -> None:
    upstream = put(raw, b"1")
    for branch in ("main", "dev"):
        with features.commit(branch) as txn:
            txn.read(f"{raw.name}@main")
            txn.put("f", branch.encode())
        assert {upstream.id} == {commit for _, _, commit in sources(txn.commit)}


def test_provenance_goes_through_several_repos_and_shared_upstreams(
    raw: Repo, features: Repo, new_repo: Callable[..., Repo]
) -> None:
    predictions = new_repo("predictions/delay")
    upstream = put(raw, b"1")
    with features.commit() as txn:
        txn.read(f"{raw.name}@main")
        txn.put("f", b"1")
    middle = txn.commit
    later = put(raw, b"2")
    with predictions.commit() as txn:
        txn.read(f"{features.name}@main")
        txn.read(f"{raw.name}@main")
        txn.put("p", b"1")
    assert {(features.name, middle.id), (raw.name, later.id)} == {(r, c) for r, _, c in sources(txn.commit)}
    assert {upstream.id} == {c for _, _, c in sources(features.resolve())}


def test_a_commit_can_be_made_from_earlier_ones_of_its_own_repo(raw: Repo) -> None:
    first = put(raw, b"1")
    second = put(raw, b"2")
    with raw.commit("dev") as txn:
        txn.put("both", txn.read(f"{raw.name}@main~1").read_bytes("n") + txn.read(f"{raw.name}@main").read_bytes("n"))
    assert {first.id, second.id} == {commit for _, _, commit in sources(txn.commit)}
    assert raw.commit_view("dev").read_bytes("both") == b"12"


def test_a_loop_of_reads_is_recorded_as_it_happened(raw: Repo, features: Repo) -> None:
    put(raw, b"1")
    with features.commit() as forth:
        forth.read(f"{raw.name}@main")
        forth.put("f", b"1")
    with raw.commit() as back:
        back.read(f"{features.name}@main")
        back.put("n", b"2")
    assert {forth.commit.id} == {commit for _, _, commit in sources(back.commit)}


def test_reading_what_does_not_exist_is_not_found_and_nothing_is_committed(raw: Repo, features: Repo) -> None:
    with pytest.raises(NotFoundError), features.commit() as txn:
        txn.put("f", b"1")
        txn.read(f"{raw.name}@main")
    assert txn.commit is None


def test_reading_without_changing_anything_makes_no_commit(raw: Repo, features: Repo) -> None:
    put(raw, b"1")
    put(features, b"1")
    with features.commit() as txn:
        txn.read(f"{raw.name}@main")
        txn.put("n", b"1")
    assert txn.commit is None
