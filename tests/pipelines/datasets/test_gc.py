"""Collections delete what nothing reaches and nothing else, beside writers, wherever anything is killed."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from datamill_pipelines.datasets.condemned import NONE
from datamill_pipelines.datasets.errors import (
    CollectedError,
    ConflictError,
    DamagedObjectError,
    NotFoundError,
    StoreUnreachableError,
)
from datamill_pipelines.datasets.search import all_records
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.testing import (
    Crash,
    CrashingStore,
    InterruptedStore,
    MemoryStore,
    WrappedStore,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from datamill_pipelines.datasets import CommitView, Repo
    from datamill_pipelines.datasets.gc import Swept

NOW = timedelta(seconds=-2)
"""Spares nothing: some stores' clocks show whole seconds."""


def put(repo: Repo, files: dict[str, bytes], branch: str = "main") -> None:
    with repo.commit(branch) as transaction:
        for path, data in files.items():
            transaction.put(path, data)


def contents(view: CommitView) -> dict[str, bytes]:
    return {file.path: view.read_bytes(file.path) for file in view.files()}


def sweep(objects: WrappedStore | MemoryStore) -> Swept:
    """A collection by another process, a day after every writer has died."""
    return DatasetStore(objects).gc(grace=NOW)


def aged(objects: MemoryStore) -> MemoryStore:
    """Everything in it was written two days ago."""
    objects.contents = {key: (data, time - timedelta(days=2)) for key, (data, time) in objects.contents.items()}
    return objects


def collect(objects: MemoryStore) -> None:
    """A collection, two days later."""
    sweep(aged(objects))


def blobs(objects: WrappedStore | MemoryStore) -> set[str]:
    return {info.key for folder in ("blobs", "packs") for info in objects.scan(folder)}


def with_garbage() -> MemoryStore:
    """A store with a live branch and a deleted one."""
    objects = MemoryStore()
    repo = DatasetStore(objects).create_repo("raw/flights")
    put(repo, {"live.parq": b"live"})
    put(repo, {"dead.parq": b"dead", "s1": b"1", "s2": b"2"}, "side")
    repo.delete_branch("side")
    return aged(objects)


def test_what_only_a_deleted_branch_reached_goes_and_everything_else_stays(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    put(repo, {"a": b"1", "s1": b"x", "s2": b"y"})
    put(repo, {"a": b"2"})
    repo.rollback("main", "main~1")
    put(repo, {"b": b"on the side"}, "side")
    repo.create_tag("kept", "side")
    put(repo, {"c.csv": b"garbage", "g1": b"x1", "g2": b"y1"}, "side")
    before = repo.resolve("side")
    repo.delete_branch("side")
    store.close()
    swept = DatasetStore(store.objects).gc(grace=NOW)
    assert len(swept.objects) == 2
    assert len(swept.records) == 1
    again = DatasetStore(store.objects)
    assert contents(again.commit_view("raw/flights@kept")) == {"b": b"on the side"}
    assert [contents(repo.commit_view(commit.id)) for commit in repo.log()] == [{"a": b"1", "s1": b"x", "s2": b"y"}]
    assert again.fsck().is_sound
    assert again.fsck().unreachable == []
    with pytest.raises(NotFoundError):
        again.commit_view(f"raw/flights@{before.id}")
    again.gc(grace=NOW)
    assert DatasetStore(store.objects).gc(grace=NOW).objects == []


def test_rolled_back_commits_are_history_and_stay(memory: DatasetStore) -> None:
    repo = memory.create_repo("raw/flights")
    put(repo, {"a": b"1"})
    put(repo, {"a": b"2"})
    newest = repo.resolve()
    repo.rollback("main", "main~1")
    assert sweep(aged(memory.objects)).objects == []  # type: ignore[arg-type]
    assert contents(repo.commit_view(newest.id)) == {"a": b"2"}


def test_what_a_living_commit_was_made_from_stays(memory: DatasetStore) -> None:
    raw, features = memory.create_repo("raw/flights"), memory.create_repo("features/x")
    put(raw, {"a": b"1"}, "trial")
    with features.commit() as transaction:
        transaction.put("b", transaction.read("raw/flights@trial").read_bytes("a"))
    raw.delete_branch("trial")
    assert sweep(aged(memory.objects)).objects == []  # type: ignore[arg-type]
    source = features.resolve().provenance[0]
    assert contents(raw.commit_view(source.commit)) == {"a": b"1"}


def test_objects_of_a_writer_at_work_are_spared(memory: DatasetStore) -> None:
    repo = memory.create_repo("raw/flights")
    with repo.commit() as transaction:
        transaction.put("a", b"1")
        transaction._uploads.lay_out()
        transaction._uploads.flush()
        swept = sweep(memory.objects)  # type: ignore[arg-type]
        assert swept.objects == []
        assert swept.kept == 1
    assert contents(repo.commit_view()) == {"a": b"1"}


def test_young_objects_are_spared(memory: DatasetStore) -> None:
    memory.objects.put("blobs/a/orphan", b"")
    assert memory.gc().objects == []
    assert memory.gc(grace=NOW, dry_run=True).objects == ["blobs/a/orphan"]
    assert memory.objects.size("blobs/a/orphan") == 0
    assert memory.gc(grace=NOW).objects == ["blobs/a/orphan"]


def test_a_damaged_store_is_not_collected(memory: DatasetStore) -> None:
    repo = memory.create_repo("raw/flights")
    put(repo, {"a": b"1"})
    put(repo, {"a": b"2"})
    (key,) = [info.key for info in memory.objects.scan("repos") if info.key.endswith("000000000001")]
    memory.objects.put(key, memory.objects.get(key)[:-1])
    with pytest.raises(DamagedObjectError):
        sweep(aged(memory.objects))  # type: ignore[arg-type]


def check_sound(objects: MemoryStore, expected: dict[str, dict[str, bytes]]) -> None:
    fresh = DatasetStore(objects)
    assert {branch: contents(fresh.commit_view(f"raw/flights@{branch}")) for branch in expected} == expected
    assert [problem.what for problem in fresh.fsck().problems.values()] == []


def gc_operations() -> int:
    index = 0
    while True:
        wrapped = InterruptedStore(with_garbage(), index, lambda: None)
        DatasetStore(wrapped.inner)
        sweep(wrapped)
        if not wrapped.interrupted:
            return index
        index += 10


def writers() -> list[tuple[Callable[[MemoryStore], None], dict[str, dict[str, bytes]]]]:
    """What a writer may do at any moment of a collection; all of them want again what is garbage."""
    live = {"live.parq": b"live"}

    def same_branch(objects: MemoryStore) -> None:
        put(DatasetStore(objects).repo("raw/flights"), {"again.parq": b"dead"})

    def new_branch(objects: MemoryStore) -> None:
        put(DatasetStore(objects).repo("raw/flights"), {"again.parq": b"dead", "t1": b"1", "t2": b"2"}, "new")

    def new_repo(objects: MemoryStore) -> None:
        other = DatasetStore(objects).create_repo("other")
        put(other, {"again.parq": b"dead"})
        with DatasetStore(objects).repo("raw/flights").commit() as transaction:
            transaction.copy("again.parq", transaction.read("other"))

    return [
        (same_branch, {"main": live | {"again.parq": b"dead"}}),
        (new_branch, {"main": live, "new": {"again.parq": b"dead", "t1": b"1", "t2": b"2"}}),
        (new_repo, {"main": live | {"again.parq": b"dead"}}),
    ]


@pytest.mark.parametrize("writer", range(3))
def test_a_writer_that_reuses_garbage_at_any_moment_of_a_collection_loses_nothing(writer: int) -> None:
    write, expected = writers()[writer]
    for index in range(gc_operations()):
        objects = with_garbage()
        sweep(InterruptedStore(objects, index, functools.partial(write, objects)))
        check_sound(objects, expected if len(blobs(objects)) > 1 else {"main": {"live.parq": b"live"}})


def test_a_collection_at_any_moment_of_a_commit_takes_nothing_from_it() -> None:
    index, reached = 0, True
    while reached:
        objects = with_garbage()
        wrapped = InterruptedStore(objects, index, functools.partial(collect, objects))
        put(DatasetStore(wrapped).repo("raw/flights"), {"again.parq": b"dead", "t1": b"1", "t2": b"2"}, "main")
        reached = wrapped.interrupted
        check_sound(objects, {"main": {"live.parq": b"live", "again.parq": b"dead", "t1": b"1", "t2": b"2"}})
        index += 1
    assert index > 10


def test_a_collection_between_writing_ahead_and_committing_is_noticed() -> None:
    objects = with_garbage()
    repo = DatasetStore(objects).repo("raw/flights")
    with pytest.raises(CollectedError), repo.commit() as transaction:
        transaction.put("again.parq", b"dead")
        transaction._uploads.lay_out()
        transaction._uploads.flush()
        sweep(aged(objects))
    check_sound(objects, {"main": {"live.parq": b"live"}})


@pytest.mark.parametrize("after", [False, True])
def test_a_collection_killed_anywhere_is_finished_by_the_next(after: bool) -> None:
    for index in range(200):
        objects = with_garbage()
        crashing = CrashingStore(objects, index, after=after)
        try:
            sweep(crashing)
        except Crash:
            put(DatasetStore(objects).repo("raw/flights"), {"again.parq": b"dead"})
            sweep(aged(objects))
            sweep(aged(objects))
            check_sound(objects, {"main": {"live.parq": b"live", "again.parq": b"dead"}})
            assert len(blobs(objects)) == 2
        if not crashing.crashed:
            assert index > 20
            return
    raise AssertionError


def test_a_collector_that_slept_through_another_collection_takes_nothing_back() -> None:
    """It stops before its first deletion, others collect and write the same content again, then it goes on."""
    for index in range(gc_operations()):
        objects = with_garbage()

        def meanwhile(objects: MemoryStore = objects) -> None:
            sweep(aged(objects))
            put(DatasetStore(objects).repo("raw/flights"), {"again.parq": b"dead", "t1": b"1", "t2": b"2"})

        asleep = InterruptedStore(objects, index, meanwhile)
        with contextlib.suppress(ConflictError):  # it may notice
            sweep(asleep)
        if not asleep.interrupted:
            break
        check_sound(objects, {"main": {"live.parq": b"live", "again.parq": b"dead", "t1": b"1", "t2": b"2"}})


def test_the_check_finds_a_writer_that_does_not_look_at_collections() -> None:
    """Negative control: without the condemned list, the same moments lose data."""
    found = 0
    for index in range(gc_operations()):
        objects = with_garbage()

        def careless(objects: MemoryStore = objects) -> None:
            store = DatasetStore(objects)
            store.collections.get = lambda _: NONE  # type: ignore[method-assign, assignment]
            put(store.repo("raw/flights"), {"again.parq": b"dead", "t1": b"1", "t2": b"2"}, "new")

        sweep(InterruptedStore(objects, index, careless))
        found += (
            "new" in DatasetStore(objects).repo("raw/flights").branches and not DatasetStore(objects).fsck().is_sound
        )
    assert found


def test_a_branch_made_from_what_is_being_collected_is_refused_or_whole() -> None:
    refused = made = 0
    for index in range(gc_operations()):
        objects = with_garbage()
        repo = DatasetStore(objects).repo("raw/flights")
        (commit,) = (r.content["id"] for r in all_records(repo) if r.kind == "commit" and "/side/" in r.key)

        def create(objects: MemoryStore = objects, commit: str = commit) -> None:
            nonlocal refused, made
            try:
                DatasetStore(objects).repo("raw/flights").create_branch("back", commit)
                made += 1
            except (CollectedError, NotFoundError):
                refused += 1

        sweep(InterruptedStore(objects, index, create))
        if "back" in DatasetStore(objects).repo("raw/flights").branches:
            check_sound(objects, {"back": {"dead.parq": b"dead", "s1": b"1", "s2": b"2"}})
        else:
            check_sound(objects, {"main": {"live.parq": b"live"}})
    assert refused
    assert made


def test_a_check_beside_a_writer_does_not_call_missing_what_was_written_meanwhile() -> None:
    """The listing is older than what is read after it: a hint may name a record that the listing lacks."""
    index, reached = 0, True
    while reached:
        objects = with_garbage()

        def write(objects: MemoryStore = objects) -> None:
            for number in range(9):
                put(DatasetStore(objects).repo("raw/flights"), {"t.csv": b"%d" % number})
            put(DatasetStore(objects).repo("raw/flights"), {"t.csv": b"1"}, "side")
            put(DatasetStore(objects).create_repo("other"), {"t.csv": b"1"})

        store = DatasetStore(InterruptedStore(objects, index, write))
        assert [problem.what for problem in store.fsck().problems.values()] == [], index
        reached = "other" in DatasetStore(objects).repos()
        index += 1
    assert index > 10


def test_a_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(
    local: DatasetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(local.create_repo("raw/flights"), {"a.csv": b"1"})
    local.close()
    scandir = os.scandir

    def out_of_descriptors(path: str) -> object:
        if "/branches/main/0" in str(path):
            raise OSError(errno.EMFILE, "Too many open files", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", out_of_descriptors)
    with pytest.raises(StoreUnreachableError, match="Too many open files"):
        DatasetStore(local.objects).gc(grace=NOW)
    monkeypatch.undo()
    assert contents(DatasetStore(local.objects).commit_view("raw/flights")) == {"a.csv": b"1"}


def test_a_file_that_cannot_be_read_is_an_error_with_an_instruction(
    local: DatasetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(local.create_repo("raw/flights"), {"a.csv": b"1"})
    monkeypatch.setattr("builtins.open", lambda *_, **__: os.read(-1, 1))
    with pytest.raises(StoreUnreachableError, match="Bad file descriptor") as caught:
        local.objects.get("format")
    monkeypatch.undo()
    assert "ulimit" in caught.value.instruction
