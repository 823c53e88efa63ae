"""What differs between two trees; equal subtrees are not looked into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_pipelines.datasets.nodes import FileEntry, Item, NodeRef
    from datamill_pipelines.datasets.trees import TreeReader


@dataclass(frozen=True)
class FileChange:
    """One file that differs.

    Attributes:
        kind: ``added``, ``removed`` or ``changed``.
        path: the file.
        old: before, unless added.
        new: after, unless removed.
    """

    kind: Literal["added", "removed", "changed"]
    path: str
    old: FileEntry | None
    new: FileEntry | None


def diff_trees(tree: TreeReader, old: NodeRef, new: NodeRef) -> Iterator[FileChange]:
    """Files that differ, in path order.

    Both trees are walked side by side; references to equal nodes are dropped, others are opened, the higher first.
    """
    left, right = _Side(tree, old), _Side(tree, new)
    while left or right:
        if left.is_node and right.is_node and left.top.digest == right.top.digest:
            left.drop()
            right.drop()
        elif left.is_node and (left.level >= right.level and left.reaches(right)):
            both = right.level == left.level
            left.open()
            if both:
                right.open()
        elif right.is_node and right.reaches(left):
            right.open()
        elif left.is_node and left.reaches(right):
            left.open()
        else:
            change = _compare(left, right)
            if change is not None:
                yield change


def changed_paths(tree: TreeReader, old: NodeRef, new: NodeRef) -> set[str]:
    """Paths of the files that differ."""
    return {change.path for change in diff_trees(tree, old, new)}


class _Side:
    """What is left of one tree: nodes and files in path order, the next one on top."""

    def __init__(self, tree: TreeReader, root: NodeRef) -> None:
        self._tree = tree
        self._stack: list[tuple[int, Item]] = [(tree.load(root).level, root)]

    def __bool__(self) -> bool:
        return bool(self._stack)

    @property
    def top(self) -> Item:
        return self._stack[-1][1]

    @property
    def level(self) -> int:
        """Of the node on top; -1 for a file, -2 when nothing is left."""
        return self._stack[-1][0] if self._stack else -2

    @property
    def is_node(self) -> bool:
        return self.level >= 0

    def reaches(self, other: _Side) -> bool:
        """Whether the node on top may hold files that come before, or at, the other side's next one."""
        return not other or other.is_node or self.top.key <= other.top.key

    def drop(self) -> Item:
        return self._stack.pop()[1]

    def open(self) -> None:
        level, ref = self._stack.pop()
        self._stack.extend((level - 1, item) for item in reversed(self._tree.load(ref).items))  # type: ignore[arg-type]


def _compare(left: _Side, right: _Side) -> FileChange | None:
    """Take the next file, which is on top of at least one side."""
    old = left.top if left.level == -1 else None
    new = right.top if right.level == -1 else None
    if old is not None and (new is None or old.key <= new.key):
        left.drop()
        if new is not None and new.key == old.key:
            right.drop()
            same = old.same_content(new)  # type: ignore[union-attr, arg-type]
            return None if same else FileChange("changed", old.key, old, new)  # type: ignore[arg-type]
        return FileChange("removed", old.key, old, None)  # type: ignore[arg-type]
    right.drop()
    return FileChange("added", new.key, None, new)  # type: ignore[union-attr, arg-type]
