"""Changing Merkle trees: only the nodes on the changed files' paths are written again.

Nodes are cut where a path says so (:func:`~datamill_pipelines.datasets.nodes.boundary_level`), never by how the tree
came about, so a tree is a pure function of its files. A change is applied level by level: the changed items of one
level make changed references, which are the changed items of the next.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_pipelines.datasets.nodes import FileEntry, Node, NodeRef, boundary_level, encode_node
from datamill_pipelines.datasets.trees import EMPTY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datamill_pipelines.datasets.nodes import Item
    from datamill_pipelines.datasets.trees import TreeReader


@dataclass
class EditedTree:
    """A new tree.

    Attributes:
        root: its root; new nodes have relative places (``:<offset>:<length>``) in ``body``.
        body: the new nodes' bytes.
        nodes: the new nodes by reference, places still relative.
    """

    root: NodeRef
    body: bytes
    nodes: list[tuple[NodeRef, Node]]

    def settle(self, container: str, reader: TreeReader) -> NodeRef:
        """The root with absolute places, once ``body`` is kept in ``container``; its nodes are remembered."""
        for ref, node in self.nodes:
            items = tuple(_absolute(item, container) for item in node.items) if node.level else node.items
            reader.remember(_absolute(ref, container), Node(node.level, items, node.digest))
        return _absolute(self.root, container)


def edit_tree(reader: TreeReader, root: NodeRef, changes: Mapping[str, FileEntry | None]) -> EditedTree:
    """Apply changes: a path to its new file, or to ``None`` to delete it (which one that does not exist ignores)."""
    return _Edit(reader, root).apply(changes)


class _Cursor:
    """A position among the nodes of one level: the stack of inner nodes above it."""

    def __init__(self, reader: TreeReader, root: Node, level: int, key: str) -> None:
        self._reader = reader
        self._stack: list[tuple[Node, int]] = []
        node = root
        while True:
            index = max(bisect.bisect_right(node.items, key, key=lambda item: item.key) - 1, 0)
            self._stack.append((node, index))
            if node.level == level + 1:
                return
            node = reader.load(node.items[index])  # type: ignore[arg-type]

    @property
    def ref(self) -> NodeRef:
        node, index = self._stack[-1]
        return node.items[index]  # type: ignore[return-value]

    def end(self) -> str | None:
        """The first key of the next node, if there is one."""
        for node, index in reversed(self._stack):
            if index + 1 < len(node.items):
                return node.items[index + 1].key
        return None

    def step_left(self) -> bool:
        """Move to the node before; ``False`` when this is the first."""
        depth = len(self._stack)
        while self._stack and self._stack[-1][1] == 0:
            self._stack.pop()
        if not self._stack:
            return False
        node, index = self._stack.pop()
        self._stack.append((node, index - 1))
        while len(self._stack) < depth:
            node, index = self._stack[-1]
            child = self._reader.load(node.items[index])  # type: ignore[arg-type]
            self._stack.append((child, len(child.items) - 1))
        return True


class _Edit:
    def __init__(self, reader: TreeReader, root: NodeRef) -> None:
        self._reader = reader
        self._root_ref = root
        self._root = reader.load(root)
        self._body = bytearray()
        self._new: list[tuple[NodeRef, Node]] = []

    def apply(self, changes: Mapping[str, FileEntry | None]) -> EditedTree:
        pending: dict[str, Item | None] = dict(changes)
        for level in range(self._root.level):
            pending = self._change_level(level, pending)
            if not pending:
                return EditedTree(self._root_ref, b"", [])
        items = _merge(self._root.items, pending)
        if items == list(self._root.items):
            return EditedTree(self._root_ref, b"", [])
        level = self._root.level
        refs = self._write_groups(level, items)
        while len(refs) > 1:
            level += 1
            refs = self._write_groups(level, refs)
        return EditedTree(self._collapse(refs[0] if refs else EMPTY), bytes(self._body), self._new)

    def _change_level(self, level: int, pending: dict[str, Item | None]) -> dict[str, Item | None]:
        """Rewrite the touched nodes of a level; the changed references, by key."""
        keys = sorted(pending)
        changed: dict[str, Item | None] = {}
        runs: list[tuple[list[NodeRef], list[Item]]] = []
        position = 0
        while position < len(keys):
            cursor = _Cursor(self._reader, self._root, level, keys[position])
            ref, end = cursor.ref, cursor.end()
            stop = len(keys) if end is None else bisect.bisect_left(keys, end)
            node = self._reader.load(ref)
            items = _merge(node.items, {key: pending[key] for key in keys[position:stop]})
            position = stop
            if items == list(node.items):
                continue
            if (not items or items[0].key != ref.key) and cursor.step_left():
                # The key that began this node is gone: what is left of it belongs to the node before.
                if not runs or runs[-1][0][-1] != cursor.ref:
                    runs.append(([cursor.ref], list(self._reader.load(cursor.ref).items)))
                runs[-1][0].append(ref)
                runs[-1][1].extend(items)
            else:
                runs.append(([ref], items))
        for refs, items in runs:
            changed.update(dict.fromkeys((ref.key for ref in refs), None))
            changed.update({ref.key: ref for ref in self._write_groups(level, items)})
        return changed

    def _write_groups(self, level: int, items: Sequence[Item]) -> list[NodeRef]:
        starts = [index for index, item in enumerate(items) if index == 0 or boundary_level(item.key) > level]
        ends = [*starts[1:], len(items)]
        return [
            self._write(level, tuple(items[start:end])) for start, end in zip(starts, ends, strict=False)
        ]  # no items, no start

    def _write(self, level: int, items: tuple[Item, ...]) -> NodeRef:
        digest, data = encode_node(level, items)
        node = Node(level, items, digest)
        ref = NodeRef(items[0].key, digest, node.files, node.size, f":{len(self._body)}:{len(data)}")
        self._body += data
        self._new.append((ref, node))
        return ref

    def _collapse(self, ref: NodeRef) -> NodeRef:
        """A root with one child is not needed."""
        written = {new.place: node for new, node in self._new}
        while True:
            node = written[ref.place] if ref.place.startswith(":") else self._reader.load(ref)
            if not node.level or len(node.items) > 1:
                return ref
            ref = node.items[0]  # type: ignore[assignment]


def _merge(items: Sequence[Item], changes: Mapping[str, Item | None]) -> list[Item]:
    if len(changes) == 1 and items:
        ((key, item),) = changes.items()
        index = bisect.bisect_left(items, key, key=lambda item: item.key)
        present = index < len(items) and items[index].key == key
        return [*items[:index], *([item] if item is not None else []), *items[index + present :]]
    merged: dict[str, Item | None] = {item.key: item for item in items}
    merged.update(changes)
    return [item for _, item in sorted(merged.items()) if item is not None]


def _absolute(ref: Item, container: str) -> NodeRef:
    assert isinstance(ref, NodeRef)  # noqa: S101 (narrowing; inner nodes hold references only)
    return ref._replace(place=container + ref.place) if ref.place.startswith(":") else ref
