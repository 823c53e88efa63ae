"""A flipped, truncated or swapped object of any kind is found on read and by the check, and is named."""

from __future__ import annotations

import contextlib
import io
import random
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from faults.bench import Bench, Case, Log, Trial, Violation, expect, sizes
from faults.rows import Row

from datamill_infra.cli.root import run
from datamill_pipelines.datasets import Repo, blobs
from datamill_pipelines.datasets import transaction as transaction_module
from datamill_pipelines.datasets.errors import DatasetError
from datamill_pipelines.datasets.names import FORMAT_KEY
from datamill_pipelines.datasets.objects import ObjectStore
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.testing import MemoryStore, RecordingStore

Command = Callable[[dict[str, bytes]], int]
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


def trial(sound: dict[str, bytes], needed: set[str], command: Command | None = None) -> Trial:
    def try_one(case: Case, log: Log) -> None:
        chance = random.Random(case["seed"])
        key, contents = damage(chance, sound)
        while contents == sound:
            key, contents = damage(chance, sound)
        log("damaged", key=key, was=len(sound[key]), size=len(contents[key]))
        if command is not None:
            expect(command(contents) != 0, f"the command ends with 0 though {key} is damaged")
        objects = MemoryStore()
        for each, data in contents.items():
            objects.put(each, data)
        if key == FORMAT_KEY:
            refused(lambda: DatasetStore(objects), "a store with a damaged format was opened")
            return
        found = DatasetStore(objects).fsck()
        expect(key in found.problems and not found.is_sound, f"fsck does not name {key} but {found.problems}")
        if key in needed:
            refused(lambda: read_everything(objects), f"{key} was read")

    return try_one


def refused(call: Callable[[], object], otherwise: str) -> None:
    """An error with a name, or it is a violation."""
    try:
        call()
    except DatasetError:
        return
    raise Violation(otherwise)


@pytest.fixture(scope="module")
def needed(sound: dict[str, bytes]) -> set[str]:
    return keys_read(sound)


@sizes(60, 2_000)
def test_all_is_found(bench: Bench, sound: dict[str, bytes], needed: set[str], size: int) -> None:
    bench.run(Row.DAMAGE, cases(bench.seed, size), trial(sound, needed))


def cases(seed: int, count: int) -> list[Case]:
    return [{"seed": f"{seed} {number}"} for number in range(count)]


@sizes(2, 100)
def test_the_command_does_not_end_with_0(
    bench: Bench, sound: dict[str, bytes], needed: set[str], tmp_path: Path, size: int
) -> None:
    def command(contents: dict[str, bytes]) -> int:
        root = tmp_path / "store"
        shutil.rmtree(root, ignore_errors=True)
        for key, data in contents.items():
            (root / key).parent.mkdir(parents=True, exist_ok=True)
            (root / key).write_bytes(data)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return run(["data", "--store", root.as_uri(), "fsck"])

    assert command(sound) == 0
    bench.run(Row.DAMAGE, cases(bench.seed + 1, size), trial(sound, needed, command))


@pytest.mark.control
def test_a_reader_that_does_not_verify_is_caught(
    bench: Bench, sound: dict[str, bytes], needed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "digest_of", lambda _: Anything())
    bench.control(Row.DAMAGE, "a reader that does not verify", cases(bench.seed, 300), trial(sound, needed))


class Anything(str):
    """Equal to every digest."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = str.__hash__


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
    assert DatasetStore(objects).fsck().problems == {}
    read_everything(objects)
