"""Killed, cut off or refused at every single operation: the old state or the new one, and the next writer goes on."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from datamill_pipelines.datasets.local import LocalStore
from datamill_pipelines.datasets.names import FORMAT_KEY
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.testing import (
    Crash,
    CrashingStore,
    MemoryStore,
    PowerCutFiles,
    UnsyncedFiles,
)

if TYPE_CHECKING:
    from pathlib import Path

    from datamill_pipelines.datasets import CommitView
    from datamill_pipelines.datasets.objects import ObjectStore

_LONG_AGO = timedelta(seconds=-2)
State = dict[str, bytes]

BEFORE: State = {"a.csv": b"old", "b.csv": b"stays", "s/1": b"1", "s/2": b"2"}
AFTER: State = {"a.csv": b"new", "b.csv": b"stays", "c/d.csv": b"more", "s/2": b"2", "s/3": b"3", "s/4": b"4"}


def contents(view: CommitView) -> State:
    return {file.path: view.read_bytes(file.path) for file in view.files()}


def state(objects: ObjectStore) -> State:
    """All that can be read, with every check there is."""
    store = DatasetStore(objects)
    found = store.fsck()
    assert [problem.what for problem in found.problems.values()] == []
    return contents(store.commit_view("raw/flights"))


def begin(objects: ObjectStore) -> None:
    repo = DatasetStore(objects).create_repo("raw/flights")
    with repo.commit() as transaction:
        for path, data in BEFORE.items():
            transaction.put(path, data)
        transaction.advance("k", 0, 10)


def change(objects: ObjectStore) -> None:
    """Whatever the state, the sink's next batch: discarded if it is there already."""
    repo = DatasetStore(objects).repo("raw/flights")
    with repo.commit() as transaction:
        if transaction.positions["k"].end != 10:
            return
        for path, data in AFTER.items():
            transaction.put(path, data)
        transaction.delete("s/1")
        transaction.advance("k", 10, 20)


def many_small_files(objects: ObjectStore) -> None:
    """Enough to need packs, and nodes that do not fit into the commit's record."""
    repo = DatasetStore(objects).repo("raw/flights")
    with repo.commit() as transaction:
        for number in range(3000):
            transaction.put(f"many/{number}", b"%d" % number)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_object_operation_the_next_run_completes(after: bool) -> None:
    for index in range(100):
        objects = MemoryStore()
        begin(objects)
        crashing = CrashingStore(objects, index, after=after)
        try:
            change(crashing)
        except Crash:
            assert state(objects) in (BEFORE, AFTER)
        change(objects)
        assert state(objects) == AFTER
        assert len(list(DatasetStore(objects).repo("raw/flights").log())) == 2
        if not crashing.crashed:
            assert index >= 8
            return
    raise AssertionError


def test_killed_while_a_store_is_made_it_can_be_made_again() -> None:
    for index in range(100):
        objects = MemoryStore()
        crashing = CrashingStore(objects, index, after=index % 2 == 0)
        try:
            begin(crashing)
        except Crash:
            if not {"repos/raw~flights/repo", FORMAT_KEY} <= objects.contents.keys():
                begin(objects)
                assert state(objects) == BEFORE
            assert DatasetStore(objects).fsck().is_sound
        if not crashing.crashed:
            return
    raise AssertionError


def test_a_power_cut_while_a_store_is_made_leaves_nothing_that_is_wrong(tmp_path: Path) -> None:
    chance = random.Random(0)
    for cut in range(1, 300, 3):
        root = tmp_path / f"cut-{cut}"
        root.mkdir()
        files = PowerCutFiles(root)
        files.cut_at = cut
        done = False
        try:
            begin(LocalStore(root, files))
            done = True
        except Crash:
            pass
        left = tmp_path / f"left-{cut}"
        files.survivors(left, chance, 0.5)
        store = DatasetStore(LocalStore(left, UnsyncedFiles()))
        store.create_repo("raw/flights", exist_ok=True)
        assert store.fsck().is_sound
        if done:
            assert state(LocalStore(left, UnsyncedFiles())) == BEFORE
            return
    raise AssertionError


def test_a_large_change_is_whole_or_absent() -> None:
    """A change whose files are packed and whose nodes do not fit into the record."""
    objects = MemoryStore()
    begin(objects)
    for index in range(0, 500, 7):
        copy = MemoryStore()
        copy.contents = dict(objects.contents)
        crashing = CrashingStore(copy, index, after=False)
        try:
            many_small_files(crashing)
        except Crash:
            assert state(copy) == BEFORE
        if not crashing.crashed:
            assert len(state(copy)) == 3004
            assert any(key.startswith("packs/") for key in copy.contents)
            return
    raise AssertionError


def test_abandoned_temporary_files_are_removed_by_a_collection(tmp_path: Path) -> None:
    objects = LocalStore(tmp_path / "store")
    store = DatasetStore(objects)
    (tmp_path / "store/tmp/123-abc-0").write_bytes(b"left by a killed writer")
    assert "tmp/123-abc-0" in store.gc(grace=_LONG_AGO).leftovers
    assert list((tmp_path / "store/tmp").iterdir()) == []


def test_a_table_survives_a_kill_between_writing_ahead_and_commit(tmp_path: Path) -> None:
    store = DatasetStore(LocalStore(tmp_path / "store"))
    repo = store.create_repo("raw/flights")
    transaction = repo.commit()
    transaction.put_table("a.parquet", pa.table({"a": [1]}))
    transaction._uploads.lay_out()
    transaction._uploads.flush()
    again = DatasetStore(LocalStore(tmp_path / "store"))
    with again.repo("raw/flights").commit() as second:
        second.put_table("a.parquet", pa.table({"a": [1]}))
    assert again.commit_view("raw/flights").table().num_rows == 1
