"""Data Mill's words in Pachyderm's, so that `pachctl` sees what was written here, and the other way round."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from pachyderm_sdk.api import metadata, pfs
from pipelines.datasets.contract.providers import Provider, pachyderm

from datamill_pipelines.datasets.errors import FormatError, InvalidNameError
from datamill_pipelines.datasets.pachyderm.names import PIN, repo_message, repo_name
from datamill_pipelines.datasets.pachyderm.repos import PachydermRepo
from datamill_pipelines.datasets.pachyderm.spool import Spool
from datamill_pipelines.datasets.pachyderm.store import PachydermStore


@pytest.fixture
def provider() -> Iterator[Provider]:
    """The stand-in, or a real server when there is one."""
    with pachyderm() as place:
        yield place


@pytest.fixture
def store(provider: Provider) -> PachydermStore:
    return provider.open()


@pytest.fixture
def raw(provider: Provider, store: PachydermStore) -> PachydermRepo:
    return store.create_repo(provider.repo_name("raw/flights"), "Departures.")


@pytest.fixture
def features(provider: Provider, store: PachydermStore) -> PachydermRepo:
    return store.create_repo(provider.repo_name("features/delay"))


def branch_of(repo: PachydermRepo, name: str = "main") -> pfs.Branch:
    return pfs.Branch(repo=repo_message(repo.name), name=name)


def head_of(repo: PachydermRepo, name: str = "main") -> pfs.CommitInfo:
    door = repo.store.door
    info = door.pfs.inspect_branch(branch=branch_of(repo, name))
    return door.pfs.inspect_commit(commit=info.head)


def write_as_somebody_else(repo: PachydermRepo, files: dict[str, bytes], description: str = "") -> pfs.Commit:
    """As `pachctl` would: nothing of Data Mill in it."""
    pfs_, spool = repo.store.door.pfs, Spool()
    for path, data in files.items():
        spool.put(path, data)
    commit: pfs.Commit = pfs_.start_commit(branch=branch_of(repo), description=description)
    pfs_.add_file_set(commit=commit, file_set_id=pfs_.create_file_set(spool.requests(())).file_set_id)
    pfs_.finish_commit(commit=commit)
    return commit


@pytest.mark.parametrize(
    ("name", "project", "repo"), [("raw/flights", "raw", "flights"), ("flights", "default", "flights")]
)
def test_a_name_is_project_and_repo(name: str, project: str, repo: str) -> None:
    message = repo_message(name)
    assert (message.project.name, message.name, message.type) == (project, repo, "user")
    assert repo_name(message) == name


def test_the_project_default_may_be_written_and_is_left_out() -> None:
    assert repo_name(repo_message("default/flights")) == "flights"


@pytest.mark.parametrize(
    "name", ["raw/eu/flights", "raw.eu/flights", "raw/flights.v2", "_raw/flights", "r" * 52 + "/x"]
)
def test_names_that_only_other_providers_can_have_are_refused_before_the_server_is_asked(
    store: PachydermStore, name: str
) -> None:
    with pytest.raises(InvalidNameError) as caught:
        store.create_repo(name)
    assert "Pachyderm" in caught.value.reason


@pytest.mark.parametrize("branch", ["eu/main", "v1.0", "0123456789ab4cdef0123456789abcde", PIN + "x"])
def test_branches_that_only_other_providers_can_have_are_refused(raw: PachydermRepo, branch: str) -> None:
    with pytest.raises(InvalidNameError), raw.commit(branch) as txn:
        txn.put("a", b"1")


@pytest.mark.parametrize("path", ["é", "a*", "a?", "a[1]", "a{b}", "a@b", "a+b", "a^b", "a!b", "a(b)"])
def test_paths_that_only_other_providers_can_have_are_refused_where_they_are_put(raw: PachydermRepo, path: str) -> None:
    with raw.commit() as txn:
        with pytest.raises(InvalidNameError):
            txn.put(path, b"1")
        txn.put("good", b"1")
    assert [file.path for file in raw.commit_view().files()] == ["good"]


@pytest.mark.parametrize("path", ["a b", "month=2013-01/a.parquet", "a,b;c:d#e%f~g'h\"i<j>k|l$m&n", ".hidden"])
def test_unusual_paths_that_pachyderm_takes_are_taken(raw: PachydermRepo, path: str) -> None:
    with raw.commit() as txn:
        txn.put(path, b"1")
    assert raw.commit_view().read_bytes(path) == b"1"


def test_others_see_project_repo_description_branch_message_and_files(raw: PachydermRepo) -> None:
    with raw.commit(message="January") as txn:
        txn.put("2013/01/a.txt", b"one")
    door, repo = raw.store.door, repo_message(raw.name)
    assert door.pfs.inspect_repo(repo=repo).description == "Departures."
    head = head_of(raw)
    assert (head.commit.id, head.description, head.error) == (txn.commit.id, "January", "")
    file = pfs.File(commit=head.commit, path="/2013/01/a.txt")
    assert b"".join(piece.value for piece in door.pfs.get_file(file=file)) == b"one"
    assert txn.commit.tree == door.pfs.inspect_file(file=pfs.File(commit=head.commit, path="/")).hash.hex()


def test_others_see_provenance_as_their_own_and_no_trace_of_how_it_was_made(
    raw: PachydermRepo, features: PachydermRepo
) -> None:
    with raw.commit() as first:
        first.put("n", b"1")
    with raw.commit() as second:
        second.put("n", b"2")
    with features.commit() as txn:
        txn.read(f"{raw.name}@main")
        txn.read(f"{raw.name}@main~1")
        txn.put("f", b"1")
    head = head_of(features)
    assert {(repo_name(c.repo), c.id) for c in head.direct_provenance} == {
        (raw.name, first.commit.id),
        (raw.name, second.commit.id),
    }
    door = raw.store.door
    branches = [
        info.branch.name for repo in (raw, features) for info in door.pfs.list_branch(repo=repo_message(repo.name))
    ]
    assert branches == ["main", "main"]
    assert door.pfs.inspect_branch(branch=branch_of(features)).direct_provenance == []
    downstream = door.pfs.inspect_commit(commit=pfs.Commit(repo=repo_message(raw.name), id=first.commit.id))
    assert downstream.child_commits
    assert raw.store.fsck().is_sound


def test_others_see_who_rolled_a_branch_back(raw: PachydermRepo) -> None:
    for data in (b"1", b"2"):
        with raw.commit() as txn:
            txn.put("a", data)
    back = raw.rollback("main", "main~1", message="wrong airport", author="ada")
    said = json.loads(raw.store.door.pfs.inspect_branch(branch=branch_of(raw)).metadata["datamill-rollback"])
    assert (said["to"], said["message"], said["author"]) == (back.id, "wrong airport", "ada")


def test_a_commit_of_somebody_else_is_read_as_it_is(raw: PachydermRepo) -> None:
    with raw.commit() as ours:
        ours.put("a", b"1")
    theirs = write_as_somebody_else(raw, {"a": b"2", "d/b": b"34"}, "by hand")
    view = raw.commit_view()
    assert {file.path: view.read_bytes(file.path) for file in view.files()} == {"a": b"2", "d/b": b"34"}
    commit = view.commit
    assert (commit.id, commit.message, commit.files, commit.size) == (theirs.id, "by hand", 2, 3)
    assert (commit.parents, commit.provenance, commit.metadata) == ((ours.commit.id,), (), {})
    with raw.commit() as again:
        again.put("a", b"1")
        again.delete("d/b")
    assert again.commit.tree == ours.commit.tree
    assert [again.commit.id, theirs.id, ours.commit.id] == [each.id for each in raw.log()]


def test_provenance_of_somebody_else_is_provenance_here(raw: PachydermRepo, features: PachydermRepo) -> None:
    with raw.commit() as upstream:
        upstream.put("n", b"1")
    pfs_ = raw.store.door.pfs
    pfs_.create_branch(branch=branch_of(features, "theirs"), provenance=[branch_of(raw)])
    pfs_.finish_commit(commit=head_of(features, "theirs").commit)
    commit = features.resolve("theirs")
    assert [(raw.name, upstream.commit.id)] == [(each.repo, each.commit) for each in commit.provenance]


def test_an_open_commit_is_not_a_state_yet(raw: PachydermRepo) -> None:
    with raw.commit() as txn:
        txn.put("a", b"1")
    pfs_ = raw.store.door.pfs
    opened = pfs_.start_commit(branch=branch_of(raw))
    assert raw.resolve().id == txn.commit.id
    assert [txn.commit.id] == [commit.id for commit in raw.log()]
    assert {"main": txn.commit.id} == {name: commit.id for name, commit in raw.branches.items()}
    pfs_.finish_commit(commit=opened)
    assert raw.resolve().id == opened.id


def test_what_data_mill_said_about_a_commit_is_damaged_or_of_another_version(raw: PachydermRepo) -> None:
    with raw.commit() as txn:
        txn.put("a", b"1")
    picker = pfs.Commit(repo=repo_message(raw.name), id=txn.commit.id).as_picker()
    for text in ("no json", "[]", "{}", '{"version": 1}', '{"version": 2}', '{"version": 1, "reads": [], "x": 1}'):
        edit = metadata.Edit(commit=picker, replace=metadata.EditReplace(replacement={"datamill": text}))
        raw.store.door.metadata.edit_metadata(edits=[edit])
        with pytest.raises(FormatError):
            raw.resolve()
