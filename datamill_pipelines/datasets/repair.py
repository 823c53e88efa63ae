"""Putting back what a check found missing or damaged, from another store.

What the other store keeps under the same name is copied. What it keeps elsewhere (it was pushed to, or packs
differently) is found by digest: files under their own names, tree nodes under ``nodes/``, where readers look when the
place in a reference fails them. Nothing is believed that does not have the digest it should have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_pipelines.datasets.blobs import BlobReader, place_of
from datamill_pipelines.datasets.commits import commit_of
from datamill_pipelines.datasets.errors import DatasetError, StoreError
from datamill_pipelines.datasets.framing import digest_of, unpack_record
from datamill_pipelines.datasets.fsck import check_store
from datamill_pipelines.datasets.inventory import take_inventory
from datamill_pipelines.datasets.names import blob_key
from datamill_pipelines.datasets.nodes import FileEntry, NodeRef, encode_node
from datamill_pipelines.datasets.reach import Reach
from datamill_pipelines.datasets.records import decode_record, encode_record
from datamill_pipelines.datasets.trees import EMPTY, TreeReader, spare_key

if TYPE_CHECKING:
    from datamill_pipelines.datasets.fsck import Checked
    from datamill_pipelines.datasets.inventory import Inventory
    from datamill_pipelines.datasets.nodes import Item, Node
    from datamill_pipelines.datasets.store import DatasetStore


def repair_store(store: DatasetStore, source: DatasetStore) -> Checked:
    """Check a store and repair it from another one.

    Returns:
        What the first check found; ``repaired`` says what the last one does not find any more.
    """
    found = check_store(store)
    if not found.problems:
        return found
    repair = _Repair(store, source)
    repair.copy_same_names(list(found.problems))
    repair.rebuild_records([key for key in found.problems if key.startswith("repos/")])
    repair.rebuild_trees()
    repair.rebuild_files()
    store.tree.forget()
    left = check_store(store)
    for key, problem in found.problems.items():
        problem.repaired = key not in left.problems
    for key, problem in left.problems.items():
        found.problems.setdefault(key, problem)
    return found


class _Repair:
    def __init__(self, store: DatasetStore, source: DatasetStore) -> None:
        self._objects, self._source = store.objects, source
        self._nodes: dict[str, Node] = {}
        self._files: dict[str, FileEntry] = {}
        self._index()

    def _index(self) -> None:
        """Everything that the source has, by digest."""
        self._inventory = take_inventory(self._source.objects)
        tree = _IndexingReader(self._source, self._nodes)
        reach = Reach(tree, self._inventory, on_file=self._note, on_problem=lambda _: None)
        for record in self._inventory.records():
            reach.visit(record)

    def _note(self, entry: FileEntry) -> None:
        self._files.setdefault(entry.digest, entry)

    def copy_same_names(self, keys: list[str]) -> None:
        """Copy what the source keeps under the same name, if it is what belongs there."""
        for key in keys:
            try:
                data = self._source.objects.get(key)
                _check_bytes(key, data, self._source.url)
            except StoreError:
                continue
            self._objects.put(key, data)

    def rebuild_records(self, keys: list[str]) -> None:
        """Write commits again whose records are gone, where it is certain which they were."""
        inventory = take_inventory(self._objects)
        places: dict[str, str] = {}
        for record in inventory.commits.values():
            places.update(zip(record.content["parents_at"], record.content["commit"]["parents"], strict=True))
        for record in inventory.records():
            if record.head is not None:
                places[record.head.at] = record.head.id
        for key in sorted(keys):
            commit = places.get(key) or self._successor(key)
            if key not in _keys(inventory) and commit in self._inventory.commits:
                self._rebuild_record(key, commit)

    def _successor(self, key: str) -> str | None:
        """The only commit that the source has on top of the record before ``key``, if that is how it is."""
        folder, _, number = key.rpartition("/")
        log = take_inventory(self._objects).logs.get(folder[len("repos/") :])
        before = log.records.get(int(number) - 1) if log is not None and number.isdigit() else None
        if log is None or before is None:
            return None
        parents = [before.head.id] if before.head is not None else []
        found = [
            commit
            for commit, record in self._inventory.commits.items()
            if record.content["commit"]["parents"] == parents
            and (record.content["commit"]["repo"], record.content["commit"]["branch"]) == (log.repo, log.name)
        ]
        return found[0] if len(found) == 1 else None

    def _rebuild_record(self, key: str, commit: str) -> None:
        record = self._inventory.commits[commit]
        made = commit_of(record, self._source.url)
        ours = {each.content["id"]: each.key for each in take_inventory(self._objects).commits.values()}
        if any(parent not in ours for parent in made.parents):
            return  # its parent comes first, or cannot be had
        content = dict(record.content) | {
            "root": _spare_place(made.tree),
            "parents_at": [ours[parent] for parent in made.parents],
        }
        self._objects.put(key, encode_record(key, "commit", record.nonce, content))

    def rebuild_trees(self) -> None:
        """Write the nodes that cannot be read under their digests."""
        inventory = take_inventory(self._objects)
        tree = TreeReader(self._objects)
        known: dict[str, str] = {}
        waiting = [commit_of(record, self._objects.url).root for record in inventory.commits.values()]
        seen = set()
        while waiting:
            ref = waiting.pop()
            if (ref.digest, ref.place) in seen or ref.digest == EMPTY.digest:
                continue
            seen.add((ref.digest, ref.place))
            try:
                node = tree.load(ref)
            except StoreError:
                if ref.digest not in self._nodes:
                    continue
                self._write_spare(self._nodes[ref.digest], known)
                node = tree.load(ref)
            known[ref.digest] = ref.place
            waiting += [item for item in node.items if isinstance(item, NodeRef)]

    def _write_spare(self, node: Node, known: dict[str, str]) -> None:
        digest, data = encode_node(node.level, [self._local(item, known) for item in node.items])
        self._objects.put(spare_key(digest), data)

    def _local(self, item: Item, known: dict[str, str]) -> Item:
        """The item with a place that means something in this store."""
        if isinstance(item, NodeRef):
            return item._replace(place=known.get(item.digest, _spare_place(item.digest)))
        return item if self._objects.size(place_of(item)[0]) is not None else item._replace(place="")

    def rebuild_files(self) -> None:
        """Write the files that cannot be read."""
        inventory = take_inventory(self._objects)
        hurt: dict[tuple[str, str], FileEntry] = {}
        ours = BlobReader(self._objects)

        def check(entry: FileEntry) -> None:
            try:
                ours.read(entry)
            except StoreError:
                hurt[entry.digest, entry.path] = entry

        reach = Reach(TreeReader(self._objects), inventory, on_file=check, on_problem=lambda _: None)
        for record in inventory.records():
            reach.visit(record)
        theirs = BlobReader(self._source.objects)
        for entry in hurt.values():
            found = self._files.get(entry.digest)
            if found is None:
                continue
            try:
                data = theirs.read(found)
            except DatasetError:
                continue  # damaged there as well: the last check says so
            key, offset = place_of(entry)
            self._objects.put(key if offset is None else blob_key(entry.digest, entry.path), data)


class _IndexingReader(TreeReader):
    """Remembers every node by digest."""

    def __init__(self, source: DatasetStore, nodes: dict[str, Node]) -> None:
        super().__init__(source.objects)
        self._index = nodes

    def load(self, ref: NodeRef) -> Node:
        """Load and remember."""
        node = super().load(ref)
        self._index[ref.digest] = node
        return node


def _spare_place(digest: str) -> str:
    return f"{spare_key(digest)}:0:0"


def _check_bytes(key: str, data: bytes, where: str) -> None:
    """Refuse bytes that cannot be what ``key`` should hold.

    Raises:
        DamagedObjectError: they are not.
    """
    folder = key.split("/", maxsplit=1)[0]
    name = key.rpartition("/")[2]
    if folder in {"blobs", "packs"}:
        if digest_of(data) != name.split("~")[0].split(".")[0]:
            raise _unfit(key, where)
    elif name == "repo":
        unpack_record("repo", data, key=key, where=where)
    elif folder == "repos":
        decode_record(data, key, where)
    elif folder == "gc":
        unpack_record("gc", data, key=key, where=where)
    else:
        raise _unfit(key, where)


def _unfit(key: str, where: str) -> StoreError:
    return StoreError(f"{key} in {where} is no better.", instruction="Repair from another store.", key=key)


def _keys(inventory: Inventory) -> set[str]:
    """Records that are sound."""
    return {record.key for record in inventory.records()}
