"""What commits reach: the objects their files are in, what their trees are in, and the commits before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_pipelines.datasets.blobs import place_of
from datamill_pipelines.datasets.commits import commit_of
from datamill_pipelines.datasets.errors import StoreError
from datamill_pipelines.datasets.nodes import FileEntry
from datamill_pipelines.datasets.trees import EMPTY, spare_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from datamill_pipelines.datasets.inventory import Inventory
    from datamill_pipelines.datasets.nodes import NodeRef
    from datamill_pipelines.datasets.records import Record
    from datamill_pipelines.datasets.trees import TreeReader


class Reach:
    """Grows as commits are visited; what was seen is not looked into twice.

    Args:
        tree: loads nodes.
        inventory: finds commits by id.
        on_file: told each file once per place.
        on_problem: told what could not be read; without it, that is raised.

    Attributes:
        keys: blobs and packs, which must exist.
        spares: where repairs keep the same, which may exist.
        records: records that hold reachable commits or nodes.
        packed_nodes: digests of tree nodes by the pack they are in.
        missing: commits that are in no log, by the key of the record they should be in.
        elsewhere: commits named as provenance that are not in this store (a part of another was copied).
    """

    def __init__(
        self,
        tree: TreeReader,
        inventory: Inventory,
        *,
        on_file: Callable[[FileEntry], None] | None = None,
        on_problem: Callable[[StoreError], None] | None = None,
    ) -> None:
        self.keys: set[str] = set()
        self.spares: set[str] = set()
        self.records: set[str] = set()
        self.packed_nodes: dict[str, list[str]] = {}
        self.missing: dict[str, str] = {}
        self.elsewhere: set[str] = set()
        self._tree, self._inventory = tree, inventory
        self._on_file, self._on_problem = on_file, on_problem
        self._nodes: set[tuple[str, str]] = set()
        self._commits: set[str] = set()

    def visit_live(self, without: Record | None = None) -> None:
        """Visit all that branches and tags which exist say, rolled-back commits included (but for one record)."""
        for log in self._inventory.logs.values():
            if log.is_open:
                for record in log.records.values():
                    if without is None or record.key != without.key:
                        self.visit(record)

    def visit(self, record: Record) -> None:
        """Visit what a record points to, and all that it was made from."""
        waiting: list[tuple[str, str]] = [(record.head.id, record.head.at)] if record.head is not None else []
        while waiting:
            commit, at = waiting.pop()
            if commit in self._commits:
                continue
            self._commits.add(commit)
            found = self._inventory.commits.get(commit)
            if found is None:
                if at:
                    self.missing[at] = commit
                else:
                    self.elsewhere.add(commit)
                continue
            self.records.add(found.key)
            made = commit_of(found, self._tree.objects.url)
            self._visit_tree(made.root)
            waiting += zip(made.parents, made.parents_at, strict=True)
            waiting += [(source.commit, "") for source in made.provenance]

    def _visit_tree(self, root: NodeRef) -> None:
        waiting = [root]
        while waiting:
            ref = waiting.pop()
            if (ref.digest, ref.place) in self._nodes or ref.digest == EMPTY.digest:
                continue
            self._nodes.add((ref.digest, ref.place))
            container = ref.place.rsplit(":", 2)[0]
            if container.startswith("packs/"):
                self.keys.add(container)
                self.packed_nodes.setdefault(container, []).append(ref.digest)
            else:
                self.records.add(container)
            self.spares.add(spare_key(ref.digest))
            try:
                node = self._tree.load(ref)
            except StoreError as problem:
                if self._on_problem is None:
                    raise
                self._on_problem(problem)
                continue
            for item in node.items:
                if isinstance(item, FileEntry):
                    self._visit_file(item)
                else:
                    waiting.append(item)

    def _visit_file(self, entry: FileEntry) -> None:
        key, offset = place_of(entry)
        self.keys.add(key)
        if offset is not None:
            self.spares.add(place_of(entry._replace(place=""))[0])
        if self._on_file is not None:
            self._on_file(entry)
