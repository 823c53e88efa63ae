"""Checking a store: every record, every tree node, every file's bytes, every reference.

Damaged, missing and swapped objects are named, with the files concerned. ``repair_from`` another store (a backup, or
where the repos were pushed to) puts back what can be had there; see :mod:`.repair`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from datamill_pipelines.datasets.blobs import BlobReader, digest_of_file, place_of
from datamill_pipelines.datasets.errors import MissingObjectError, StoreError
from datamill_pipelines.datasets.framing import damaged, digest_of
from datamill_pipelines.datasets.inventory import take_inventory
from datamill_pipelines.datasets.objects import PARALLEL_REQUESTS
from datamill_pipelines.datasets.reach import Reach
from datamill_pipelines.datasets.trees import spare_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_pipelines.datasets.nodes import FileEntry
    from datamill_pipelines.datasets.store import DatasetStore

_IN_MEMORY = 64 << 20


@dataclass
class Problem:
    """One object that is not as it should be.

    Attributes:
        key: the object.
        kind: ``missing`` or ``damaged`` (flipped, truncated, or swapped with another).
        what: a sentence.
        files: paths that cannot be read because of it, some of them.
        repaired: whether it has been put right.
    """

    key: str
    kind: str
    what: str
    files: list[str] = field(default_factory=list)
    repaired: bool = False


@dataclass
class Checked:
    """What a check found.

    Attributes:
        problems: by key.
        objects: checked.
        size: bytes read.
        unreachable: objects that nothing refers to: food for ``gc``, no problem.
        commits: checked.
        elsewhere: commits named as provenance that are not in this store, no problem either.
    """

    problems: dict[str, Problem] = field(default_factory=dict)
    objects: int = 0
    size: int = 0
    unreachable: list[str] = field(default_factory=list)
    commits: int = 0
    elsewhere: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong, or everything has been put right."""
        return all(problem.repaired for problem in self.problems.values())

    def add(self, error: StoreError, path: str = "") -> None:
        """Note a problem."""
        kind = "missing" if isinstance(error, MissingObjectError) else "damaged"
        problem = self.problems.setdefault(error.key, Problem(error.key, kind, error.reason))
        if path and path not in problem.files:
            problem.files.append(path)


def check_store(store: DatasetStore) -> Checked:
    """Check everything that is reachable, and every record."""
    return _Check(store).run()


class _Check:
    def __init__(self, store: DatasetStore) -> None:
        self._store, self._objects = store, store.objects
        self._found = Checked()
        self._files: dict[str, list[FileEntry]] = {}

    def run(self) -> Checked:
        inventory = take_inventory(self._objects)
        for problem in inventory.problems:
            self._found.add(problem)
        reach = Reach(
            type(self._store.tree)(self._objects),  # nothing cached
            inventory,
            on_file=self._note,
            on_problem=self._found.add,
        )
        reach.visit_live()
        self._found.commits = len(inventory.commits)
        self._found.elsewhere = sorted(reach.elsewhere)
        for key, commit in reach.missing.items():
            self._found.add(
                MissingObjectError(
                    f"Commit {commit[:12]}, which should be in {key}, is in no log.",
                    instruction="Repair it: datamill data fsck --from another store.",
                    key=key,
                )
            )
        with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
            list(pool.map(self._check_object, sorted(self._files)))
            list(pool.map(self._check_pack, reach.packed_nodes.keys(), reach.packed_nodes.values()))
        self._check_collections()
        self._count(reach)
        return self._found

    def _note(self, entry: FileEntry) -> None:
        self._files.setdefault(place_of(entry)[0], []).append(entry)

    def _check_object(self, key: str) -> None:
        entries = self._files[key]
        for entry, problem in self._problems(key, entries):
            self._found.add(problem, entry.path)

    def _check_pack(self, key: str, nodes: list[str]) -> None:
        """A pack of tree nodes: the nodes were read already, so what is left are bytes that none of them uses."""
        if key in self._found.problems or any(self._objects.size(spare_key(node)) is not None for node in nodes):
            return
        if digest_of(self._objects.get(key)) != _digest_in(key):
            self._found.add(damaged(key, self._objects.url, "bytes of it that no tree uses have changed"))

    def _check_collections(self) -> None:
        for info in self._objects.scan("gc"):
            try:
                self._store.collections.read(int(info.key.rpartition("/")[2]))
            except StoreError as problem:
                self._found.add(problem)

    def _problems(self, key: str, entries: list[FileEntry]) -> Iterator[tuple[FileEntry, StoreError]]:
        _, offset = place_of(entries[0])
        try:
            digest, size = self._digest(key, entries[0])
        except StoreError as error:
            yield from self._unspared(entries, error)
            return
        self._found.size += size
        if offset is None:
            if digest != entries[0].digest:
                yield from self._unspared(entries, damaged(key, self._objects.url, self._what(digest, entries[0])))
        elif digest != _digest_in(key):
            reader, hurt = BlobReader(self._objects), False
            for entry in entries:
                try:
                    reader.read(entry)
                except StoreError as error:
                    hurt = True
                    yield entry, error
            if not hurt and not any(self._is_spared(entry) for entry in entries):
                yield entries[0], damaged(key, self._objects.url, "bytes of it that no file uses have changed")

    def _unspared(self, entries: list[FileEntry], error: StoreError) -> Iterator[tuple[FileEntry, StoreError]]:
        """The files that are not kept anywhere else either."""
        for entry in entries:
            if not self._is_spared(entry):
                yield entry, error

    def _is_spared(self, entry: FileEntry) -> bool:
        plain = entry._replace(place="")
        if plain == entry:
            return False
        try:
            BlobReader(self._objects).read(plain)
        except StoreError:
            return False
        return True

    def _digest(self, key: str, entry: FileEntry) -> tuple[str, int]:
        path = self._objects.local_path(key)
        if path is not None and path.exists() and entry.size > _IN_MEMORY:
            return digest_of_file(path), path.stat().st_size
        data = self._objects.get(key)
        return digest_of(data), len(data)

    def _what(self, digest: str, entry: FileEntry) -> str:
        for other in self._files:
            if digest in other:
                return f"it holds what belongs to {other} instead of {entry.path}"
        return f"it does not hold {entry.path} as it was committed"

    def _count(self, reach: Reach) -> None:
        for folder in ("blobs", "packs", "nodes"):
            for info in self._objects.scan(folder):
                self._found.objects += 1
                if info.key not in reach.keys and info.key not in reach.spares:
                    self._found.unreachable.append(info.key)


def _digest_in(key: str) -> str:
    return key.rpartition("/")[2].split("~")[0].split(".")[0]
