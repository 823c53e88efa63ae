"""One writer at a time on a branch, whatever dies, sleeps or comes in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from grpc import StatusCode
from pachyderm_sdk.api import pfs
from pipelines.datasets.pachyderm.conftest import Clock
from pipelines.datasets.pachyderm.standin.server import StandIn
from pipelines.datasets.pachyderm.standin.state import RefusedError as Refusal

from datamill_pipelines.datasets.errors import ConflictError, DatasetError, NotFoundError
from datamill_pipelines.datasets.pachyderm.annotations import OPENING
from datamill_pipelines.datasets.pachyderm.names import PIN, repo_message
from datamill_pipelines.datasets.pachyderm.opening import TAKEOVER_SECONDS, WAIT_SECONDS
from datamill_pipelines.datasets.pachyderm.repos import PachydermRepo
from datamill_pipelines.datasets.pachyderm.store import PachydermStore

Connect = Callable[[], PachydermStore]

EARLIER = datetime(2026, 1, 1, tzinfo=UTC)


def open_one(repo: PachydermRepo, description: str) -> pfs.Commit:
    branch = pfs.Branch(repo=repo_message(repo.name), name="main")
    opened: pfs.Commit = repo.store.door.pfs.start_commit(branch=branch, description=description)
    return opened


def content(repo: PachydermRepo) -> dict[str, bytes]:
    view = repo.commit_view()
    return {file.path: view.read_bytes(file.path) for file in view.files()}


@pytest.mark.parametrize("first", [True, False], ids=["first commit", "later commit"])
def test_what_a_dead_writer_left_open_is_dropped_when_it_has_not_changed_for_long(
    raw: PachydermRepo, clock: Clock, first: bool
) -> None:
    expected = {"b": b"2"}
    if not first:
        with raw.commit() as txn:
            txn.put("a", b"1")
        expected["a"] = b"1"
    dead = open_one(raw, OPENING)
    began = clock.now
    with raw.commit() as txn:
        txn.put("b", b"2")
    assert clock.now - began >= TAKEOVER_SECONDS
    assert content(raw) == expected
    assert len(list(raw.log())) == len(expected)
    with pytest.raises(NotFoundError):
        raw.resolve(dead.id)


def test_an_open_commit_that_still_changes_is_left_alone(raw: PachydermRepo, clock: Clock, server: StandIn) -> None:
    slow = open_one(raw, OPENING)
    state, sleep = server, clock.sleep
    naps: list[float] = []

    def work_meanwhile(seconds: float) -> None:
        sleep(seconds)
        naps.append(clock.now)
        if clock.now < 3 * TAKEOVER_SECONDS:
            state.state.commits[next(iter(state.state.commits))].updated = None if len(naps) % 2 else EARLIER
        elif clock.now < 3 * TAKEOVER_SECONDS + 10:
            raw.store.door.pfs.finish_commit(commit=slow)

    raw.store.sleep = work_meanwhile
    with raw.commit() as txn:
        txn.put("b", b"2")
    assert txn.commit.parents == (slow.id,)
    assert [txn.commit.id, slow.id] == [commit.id for commit in raw.log()]


def test_an_open_commit_of_somebody_else_is_never_dropped_but_named(raw: PachydermRepo, clock: Clock) -> None:
    theirs = open_one(raw, "pachctl, by hand")
    with pytest.raises(ConflictError) as caught, raw.commit() as txn:
        txn.put("b", b"2")
    assert clock.now >= WAIT_SECONDS
    assert theirs.id in caught.value.reason
    assert "pachctl finish commit" in caught.value.instruction
    raw.store.door.pfs.finish_commit(commit=theirs)
    with raw.commit() as txn:
        txn.put("b", b"2")
    assert txn.commit.parents == (theirs.id,)


def test_a_writer_that_was_only_asleep_lands_nothing_after_it_was_given_up(
    raw: PachydermRepo, connect: Connect, server: StandIn
) -> None:
    with raw.commit() as txn:
        txn.put("a", b"1")
    awake = connect().repo(raw.name)

    def fall_asleep(method: str) -> None:
        # Between opening and filling; another writer takes over and commits.
        if method == "AddFileSet":
            server.before = lambda _: None
            with awake.commit(message="took over") as txn:
                txn.put("b", b"2")

    server.before = fall_asleep
    with pytest.raises(DatasetError), raw.commit(message="slept") as slept:
        slept.put("a", b"3")
    assert slept.commit is None
    assert content(raw) == {"a": b"1", "b": b"2"}
    assert [commit.message for commit in raw.log()] == ["took over", ""]


@pytest.mark.parametrize("others_read", [False, True], ids=["plain", "with provenance"])
def test_a_commit_that_was_opened_on_an_open_one_is_dropped_and_made_again(
    raw: PachydermRepo, features: PachydermRepo, connect: Connect, server: StandIn, others_read: bool
) -> None:
    with raw.commit() as upstream:
        upstream.put("n", b"1")
    other = connect().repo(features.name)
    inside: list[str] = []

    def race(method: str) -> None:
        # The first batch of one writer is about to be sent: another one commits, and opens one more first.
        if method == "BatchTransaction" and not inside:
            inside.append(method)
            with other.commit(message="other") as txn:
                if others_read:
                    txn.read(f"{raw.name}@main")
                txn.put("other", b"1")
            opened = open_one(other, OPENING)
            inside.append(opened.id)

    server.before = race
    with features.commit(message="ours") as txn:
        txn.put("f", txn.read(f"{raw.name}@main").read_bytes("n"))
    assert [commit.message for commit in features.log()] == ["ours", "other"]
    assert content(features) == {"f": b"1", "other": b"1"}
    assert [upstream.commit.id] == [each.commit for each in txn.commit.provenance]


def test_an_upstream_branch_that_moves_at_the_last_moment_does_not_move_the_provenance(
    raw: PachydermRepo, features: PachydermRepo, connect: Connect, server: StandIn
) -> None:
    with raw.commit() as upstream:
        upstream.put("n", b"1")
    other = connect().repo(raw.name)

    def move(method: str) -> None:
        if method == "BatchTransaction":
            server.before = lambda _: None
            with other.commit() as txn:
                txn.put("n", b"2")

    server.before = move
    with features.commit() as txn:
        txn.put("f", txn.read(f"{raw.name}@main").read_bytes("n"))
    assert [upstream.commit.id] == [each.commit for each in txn.commit.provenance]
    assert features.commit_view().read_bytes("f") == b"1"
    assert len(list(features.log())) == 1
    assert not [key for key in server.state.branches if key.name.startswith(PIN)]


def test_a_commit_whose_last_reply_was_lost_is_a_success(raw: PachydermRepo, server: StandIn) -> None:
    def lose(method: str) -> None:
        if method == "FinishCommit":
            server.after = lambda _: None
            raise Refusal("connection reset", StatusCode.UNAVAILABLE)

    server.after = lose
    with raw.commit(message="landed") as txn:
        txn.put("a", b"1")
    assert txn.commit == raw.resolve()
    assert [commit.message for commit in raw.log()] == ["landed"]


def test_a_fault_that_the_server_finds_only_afterwards_leaves_no_commit(raw: PachydermRepo, server: StandIn) -> None:
    with raw.commit() as txn:
        txn.put("a", b"1")

    def break_it(method: str) -> None:
        if method == "FinishCommit":
            newest = max(server.state.commits.values(), key=lambda commit: commit.number)
            newest.file_sets[-1].adds["/b/c"] = b"2"

    server.before = break_it
    with pytest.raises(DatasetError) as caught, raw.commit() as broken:
        broken.put("b", b"2")
    assert "collision" in caught.value.reason
    assert broken.commit is None
    assert content(raw) == {"a": b"1"}
    server.before = lambda _: None
    with raw.commit() as txn:
        txn.put("b", b"2")
    assert content(raw) == {"a": b"1", "b": b"2"}
