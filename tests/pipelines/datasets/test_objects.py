"""What every object store promises, on every backend."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from datamill_pipelines.datasets.errors import DamagedObjectError, MissingObjectError, UnsafeStoreError
from datamill_pipelines.datasets.local import LocalStore
from datamill_pipelines.datasets.probe import probe_store
from datamill_pipelines.datasets.testing import MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from datamill_pipelines.datasets.objects import ObjectStore


def test_what_was_put_is_read_back(objects: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"from a file")
    objects.put("a/b.txt", b"bytes \x00\xff")
    objects.put("a/c.txt", tmp_path / "file")
    objects.put("empty", b"")
    assert objects.get_many(["a/b.txt", "a/c.txt", "empty"]) == [b"bytes \x00\xff", b"from a file", b""]
    assert [objects.size(key) for key in ("a/b.txt", "a/c.txt", "empty", "nothing")] == [8, 11, 0, None]
    assert objects.get_range("a/b.txt", 2, 3) == b"tes"


def test_a_put_replaces(objects: ObjectStore) -> None:
    objects.put("a", b"first")
    objects.put("a", b"second")
    assert objects.get("a") == b"second"


def test_a_conditional_put_never_replaces(objects: ObjectStore) -> None:
    assert objects.put_new("a/b", b"first")
    assert not objects.put_new("a/b", b"second")
    assert objects.get("a/b") == b"first"


def test_of_racing_conditional_puts_one_wins(objects: ObjectStore) -> None:
    gate = threading.Barrier(8)

    def write(number: int) -> bool:
        gate.wait()
        return objects.put_new("raced", b"%d" % number)

    for _ in range(5):
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(write, range(8)))
        assert sum(won) == 1
        assert objects.get("raced") == b"%d" % won.index(True)
        objects.delete(["raced"])


def test_publishing_makes_all_objects_and_the_one_that_refers_to_them(objects: ObjectStore) -> None:
    bodies = [(f"many/{number}", b"%d" % number) for number in range(20)]
    assert objects.publish(bodies, "head", b"1")
    assert [body for _, body in bodies] == objects.get_many([key for key, _ in bodies])
    assert not objects.publish([("many/more", b"x")], "head", b"2")
    assert objects.get("head") == b"1"


def test_missing_objects_are_an_error_that_names_them(objects: ObjectStore) -> None:
    for read in (objects.get, lambda key: objects.get_range(key, 0, 1)):
        with pytest.raises(MissingObjectError, match="no/such"):
            read("no/such")


def test_a_range_past_the_end_is_an_error(objects: ObjectStore) -> None:
    objects.put("short", b"1234")
    with pytest.raises(DamagedObjectError, match="short"):
        objects.get_range("short", 2, 5)


def test_deleting_is_idempotent(objects: ObjectStore) -> None:
    objects.put("a", b"1")
    objects.delete(["a", "b"])
    objects.delete(["a"])
    assert objects.size("a") is None


def test_listing_finds_everything_below_a_folder(objects: ObjectStore) -> None:
    for key in ("a/1", "a/b/2", "ab/3", "c"):
        objects.put(key, b"x")
    assert {"a/1", "a/b/2"} == {info.key for info in objects.scan("a")}
    assert {"a/1", "a/b/2", "ab/3", "c"} == {info.key for info in objects.scan("")}
    assert objects.folders("") == ["a", "ab"]
    assert objects.folders("a") == ["b"]
    assert list(objects.scan("nothing")) == []
    assert objects.folders("nothing") == []


def test_listed_times_are_on_the_stores_clock(objects: ObjectStore) -> None:
    before = objects.clock()
    objects.put("a", b"x")
    after = objects.clock()
    (info,) = [info for info in objects.scan("") if info.key == "a"]
    assert before.replace(microsecond=0) <= info.modified <= after.replace(second=59)


def test_a_sound_store_passes_the_probe_and_keeps_nothing_of_it(objects: ObjectStore) -> None:
    probe_store(objects)
    assert list(objects.scan("")) == []


class RacingStore(MemoryStore):
    """Checks, then writes: right as long as one client asks at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Barrier(2)

    def put_new(self, key: str, data: bytes) -> bool:
        if key in self.contents:
            return False
        try:
            self.gate.wait(0.05)  # two at once are both let through
        except threading.BrokenBarrierError:
            self.gate.reset()
        self.put(key, data)
        return True


def test_a_store_whose_conditional_writes_race_is_refused() -> None:
    with pytest.raises(UnsafeStoreError, match="conditional writes"):
        probe_store(RacingStore())


class HeedlessStore(MemoryStore):
    """Ignores the condition."""

    def put_new(self, key: str, data: bytes) -> bool:
        self.put(key, data)
        return True


def test_a_store_that_ignores_conditions_is_refused() -> None:
    with pytest.raises(UnsafeStoreError, match="conditional writes"):
        probe_store(HeedlessStore())


def test_a_folder_that_another_thread_has_just_made_is_there(tmp_path: Path) -> None:
    """Between the look for it and the making of it."""
    store = LocalStore(tmp_path / "store")
    for _ in range(2):
        store._make_folder(f"{store.root}/blobs/a")
    assert (store.root / "blobs" / "a").is_dir()
