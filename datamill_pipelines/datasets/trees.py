"""Reading Merkle trees: loading nodes, finding a file, walking a prefix."""

from __future__ import annotations

import bisect
from collections import OrderedDict
from operator import itemgetter
from typing import TYPE_CHECKING

from datamill_pipelines.datasets.errors import StoreError
from datamill_pipelines.datasets.framing import damaged
from datamill_pipelines.datasets.nodes import FileEntry, Node, NodeRef, decode_node, empty_digest
from datamill_pipelines.datasets.records import read_record_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_pipelines.datasets.objects import ObjectStore

_CACHED_NODES = 2048
_CACHED_BODIES = 64

_KEY = itemgetter(0)
"""What items are sorted by: the first field of a file and of a reference. The attribute costs three times as much."""

EMPTY = NodeRef("", empty_digest(), 0, 0, "")
"""The tree without files; it is kept nowhere."""


_NO_LEAF: tuple[tuple[str, str], str, str | None, Node] = (("", ""), "", None, Node(0, ()))


def spare_key(digest: str) -> str:
    """Where a repair keeps a node."""
    return f"nodes/{digest[0]}/{digest}"


class TreeReader:
    """Loads nodes, verified, with a bounded cache.

    Args:
        objects: where they are kept.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects
        self._nodes: OrderedDict[tuple[str, str], Node] = OrderedDict()
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._last_leaf: tuple[tuple[str, str], str, str | None, Node] = _NO_LEAF

    def load(self, ref: NodeRef) -> Node:
        """The node.

        Raises:
            MissingObjectError: what it is kept in does not exist.
            DamagedObjectError: its bytes do not have the digest of the reference.
        """
        if ref.digest == EMPTY.digest:
            return Node(0, (), EMPTY.digest)
        node = self._nodes.get((ref.digest, ref.place))
        if node is None:
            container, offset, length = ref.place.rsplit(":", 2)
            try:
                node = self._decode(self._bytes(container, int(offset), int(length)), container, offset, ref.digest)
            except StoreError:
                # A repair keeps what it could not put back in place under its digest.
                key = spare_key(ref.digest)
                if self.objects.size(key) is None:
                    raise
                node = self._decode(self.objects.get(key), key, "0", ref.digest)
            self.remember(ref, node)
        return node

    def _decode(self, data: bytes, container: str, offset: str, digest: str) -> Node:
        try:
            node = decode_node(data, container)
        except ValueError as error:
            what = f"the tree node at byte {offset} is unreadable ({error})"
            raise damaged(container, self.objects.url, what) from error
        if node.digest != digest:
            raise damaged(container, self.objects.url, f"the tree node at byte {offset} is not {digest[:12]}")
        return node

    def forget(self) -> None:
        """Empty the cache."""
        self._nodes.clear()
        self._bodies.clear()
        self._last_leaf = _NO_LEAF

    def remember(self, ref: NodeRef, node: Node) -> None:
        """Keep a node for :meth:`load`."""
        self._nodes[ref.digest, ref.place] = node
        while len(self._nodes) > _CACHED_NODES:
            self._nodes.popitem(last=False)

    def find(self, root: NodeRef, path: str) -> FileEntry | None:
        """The file at ``path``."""
        node = self._leaf_of(root, path)
        index = bisect.bisect_left(node.items, path, key=_KEY)
        if index < len(node.items) and node.items[index].key == path:
            return node.items[index]  # type: ignore[return-value]
        return None

    def _leaf_of(self, root: NodeRef, path: str) -> Node:
        """The leaf that ``path`` is in or would be in. Who asks in order asks for the same one again."""
        place, low, high, node = self._last_leaf
        if place == (root.digest, root.place) and low <= path and (high is None or path < high):
            return node
        low, high, node = "", None, self.load(root)
        while node.level:
            index = max(bisect.bisect_right(node.items, path, key=_KEY) - 1, 0)
            low = node.items[index].key if index or low else ""
            high = node.items[index + 1].key if index + 1 < len(node.items) else high
            node = self.load(node.items[index])  # type: ignore[arg-type]
        self._last_leaf = ((root.digest, root.place), low, high, node)
        return node

    def walk(self, root: NodeRef, prefix: str = "") -> Iterator[FileEntry]:
        """Files whose path starts with ``prefix``, in order."""
        node = self.load(root)
        if not node.level:
            for item in node.items:
                if item.key.startswith(prefix):
                    yield item  # type: ignore[misc]
            return
        for index, item in enumerate(node.items):
            following = node.items[index + 1].key if index + 1 < len(node.items) else None
            if following is not None and following <= prefix and not following.startswith(prefix):
                continue
            if index and item.key > prefix and not item.key.startswith(prefix):
                return
            yield from self.walk(item, prefix)  # type: ignore[arg-type]

    def _bytes(self, container: str, offset: int, length: int) -> bytes:
        if container.startswith("nodes/"):
            return self.objects.get(container)
        if container.startswith("packs/"):
            return self.objects.get_range(container, offset, length)
        body = self._bodies.get(container)
        if body is None:
            body = read_record_body(self.objects, container)
            self._bodies[container] = body
            while len(self._bodies) > _CACHED_BODIES:
                self._bodies.popitem(last=False)
        return body[offset : offset + length]
