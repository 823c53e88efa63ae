"""A flipped, truncated or swapped object of any kind is found on read and by the check, and is named."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from datamill_pipelines.datasets import transaction as transaction_module
from datamill_pipelines.datasets.errors import DatasetError, StoreError
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.testing import MemoryStore, RecordingStore

if TYPE_CHECKING:
    from datamill_pipelines.datasets import Repo
    from datamill_pipelines.datasets.objects import ObjectStore

TRIALS = 600
_A_WHILE = timedelta(days=2)


def put(repo: Repo, files: dict[str, bytes], branch: str = "main") -> None:
    with repo.commit(branch) as transaction:
        for path, data in files.items():
            transaction.put(path, data)


@pytest.fixture(scope="module")
def sound() -> dict[str, bytes]:
    """Every kind of object: records, packs of files and of nodes, blobs, tags, moves, fences, collections."""
    objects = MemoryStore()
    store = DatasetStore(objects)
    repo = store.create_repo("raw/flights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transaction_module, "_INLINE_NODES", 10_000)
        put(repo, {f"s/{number}": b"%d" % number for number in range(300)})
    for number in range(6):
        with repo.commit() as transaction:
            transaction.put_table(f"t/{number}.parquet", pa.table({"a": [number, 2], "b": ["x", None]}))
            transaction.put(f"j/{number}.json", b'{"a": %d}' % number)
            transaction.advance("k", 2 * number, 2 * number + 2)
    repo.create_tag("v1", "main~1")
    put(repo, {"x.csv": b"1"}, "side")
    put(repo, {"x.csv": b"2"}, "gone")
    repo.delete_branch("gone")
    repo.merge("side")
    repo.rollback("side", "v1")
    store.close()
    objects.skew = _A_WHILE
    DatasetStore(objects).gc(grace=-_A_WHILE)
    put(repo, {"y.csv": b"3"})
    other = store.create_repo("features/x")
    with other.commit() as transaction:
        transaction.put("f", transaction.read("raw/flights").read_bytes("s/1"))
    kinds = {key.split("/")[0] for key in objects.contents}
    assert kinds >= {"blobs", "packs", "repos", "gc", "format"}
    return {key: data for key, (data, _) in objects.contents.items()}


def read_everything(objects: ObjectStore) -> None:
    """As a user would who reads all there is, history included."""
    store = DatasetStore(objects)
    for name in store.repos():
        repo = store.repo(name)
        for commit in [*repo.branches.values(), *repo.tags.values()]:
            assert commit is not None
            for earlier in repo.log(commit.id):
                view = repo.view(earlier)
                for file in view.files():
                    view.read_bytes(file.path)


def damage(chance: random.Random, sound: dict[str, bytes]) -> tuple[str, dict[str, bytes]]:
    """One damaged object, of a kind that is chosen before the object."""
    kinds: dict[str, list[str]] = {}
    for key in sorted(sound):
        if not key.startswith(("sessions/", "probe/")) and not key.endswith("hint"):
            kinds.setdefault(key.split("/")[0] + ("!" if key.endswith("/repo") else ""), []).append(key)
    key = chance.choice(kinds[chance.choice(sorted(kinds))])
    data, kind = sound[key], chance.choice(["flip", "cut", "swap", "empty"])
    if kind == "flip":
        index = chance.randrange(len(data))
        bad = data[:index] + bytes([data[index] ^ (1 << chance.randrange(8))]) + data[index + 1 :]
    elif kind == "cut":
        bad = data[: chance.randrange(len(data))]
    elif kind == "empty":
        bad = b""
    else:
        alike = [other for other in sorted(sound) if other != key and other.split("/")[0] == key.split("/")[0]]
        bad = sound[chance.choice(alike)] if alike else b"swapped"
    return key, {**sound, key: bad}


@pytest.mark.parametrize("seed", range(3))
def test_any_damage_is_found_by_the_check_and_never_read(seed: int, sound: dict[str, bytes]) -> None:
    chance = random.Random(seed)
    needed = keys_read(sound)
    for _ in range(TRIALS // 3):
        key, contents = damage(chance, sound)
        if contents == sound:
            continue
        objects = MemoryStore()
        for each, data in contents.items():
            objects.put(each, data)
        if key == "format":
            with pytest.raises(StoreError, match="format"):
                DatasetStore(objects)
            continue
        found = DatasetStore(objects).fsck()
        assert not found.is_sound, key
        assert key in found.problems, (key, found.problems)
        if key in needed:
            with pytest.raises(DatasetError):
                read_everything(objects)


def keys_read(sound: dict[str, bytes]) -> set[str]:
    """What reading everything needs."""
    objects = MemoryStore()
    for key, data in sound.items():
        objects.put(key, data)
    recording = RecordingStore(objects)
    read_everything(recording)
    needed = {key for operation, key in recording.operations if operation in ("get", "get_range")}
    assert {"blobs", "packs", "repos"} <= {key.split("/")[0] for key in needed}
    return needed


def test_a_sound_store_has_no_problems(sound: dict[str, bytes]) -> None:
    objects = MemoryStore()
    for key, data in sound.items():
        objects.put(key, data)
    found = DatasetStore(objects).fsck()
    assert found.problems == {}
    read_everything(objects)


def test_what_is_damaged_is_named_with_its_files(local: DatasetStore) -> None:
    repo = local.create_repo("raw/flights")
    put(repo, {"a.csv": b"1", "b.csv": b"2"})
    one, two = (local.objects.local_path(key) for key in sorted(info.key for info in local.objects.scan("blobs")))
    assert one is not None
    assert two is not None
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    problems = local.fsck().problems
    assert sorted(path for problem in problems.values() for path in problem.files) == ["a.csv", "b.csv"]
    assert all("belongs to" in problem.what for problem in problems.values())
