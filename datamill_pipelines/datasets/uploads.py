"""The objects a transaction writes, and where its files are kept in the end.

Small transactions are held in memory until the commit; beyond the store's budget files are written ahead. When a
collection of garbage begins meanwhile, what was written or taken over is looked at again: see :mod:`.condemned`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_pipelines.datasets.blobs import BlobReader, place_of
from datamill_pipelines.datasets.errors import CollectedError, StoreError
from datamill_pipelines.datasets.framing import new_nonce
from datamill_pipelines.datasets.names import blob_key, pack_key
from datamill_pipelines.datasets.staging import lay_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from datamill_pipelines.datasets.condemned import Collection
    from datamill_pipelines.datasets.nodes import FileEntry
    from datamill_pipelines.datasets.objects import Body, ObjectStore
    from datamill_pipelines.datasets.staging import StagedFile

_SALT = 8


class Uploads:
    """Files of one transaction, on their way.

    Args:
        objects: where they go.
        collection: the collection that the branch knows of.

    Attributes:
        entries: files by path, as they will be in the tree; ``None`` for deleted ones.
        pending: objects that are not durable yet.
    """

    def __init__(self, objects: ObjectStore, collection: Collection) -> None:
        self._objects = objects
        self._collection = collection
        self._staged: dict[str, StagedFile] = {}
        self._size = 0
        self._held: dict[str, Body] = {}
        self.entries: dict[str, FileEntry | None] = {}
        self.pending: dict[str, Body] = {}

    @property
    def paths(self) -> list[str]:
        """Of all files put, taken over or deleted."""
        return [*self._staged, *self.entries]

    def forget(self, path: str) -> None:
        """Drop what was said about a path."""
        dropped = self._staged.pop(path, None)
        if dropped is not None:
            self._size -= _held(dropped)
        self.entries.pop(path, None)

    def set(self, path: str, entry: FileEntry | None) -> None:
        """Take over a file that is kept somewhere already, or delete one."""
        self.forget(path)
        self.entries[path] = entry

    def put(self, file: StagedFile) -> None:
        """Take a file whose bytes are at hand."""
        self.forget(file.entry.path)
        self._staged[file.entry.path] = file
        self._size += _held(file)
        if self._size > self._objects.held:
            self.lay_out()
            self.flush()

    def is_full(self) -> bool:
        """Whether what is pending should be written ahead."""
        return sum(len(body) for body in self.pending.values() if isinstance(body, bytes)) > self._objects.held

    def lay_out(self) -> None:
        """Decide where the staged files are kept."""
        if not self._staged:
            return
        entries, objects = lay_out(list(self._staged.values()))
        self._staged.clear()
        self._size = 0
        self.entries.update(entries)
        self.pending.update(objects)
        self._avoid(lambda key: key in objects)

    def flush(self) -> None:
        """Make what is pending durable."""
        self._objects.put_many(list(self.pending.items()))
        self.pending = {}

    def write_ahead(self) -> None:
        """Make what is pending durable, before it is referred to."""
        self._objects.put_many(list(self.pending.items()))
        self.published()

    def published(self) -> None:
        """What was pending is durable now. Its bytes stay at hand until the end, in case a collection deletes them."""
        self._held.update(self.pending)
        self.pending = {}

    def look_again(self, collection: Collection, known: Callable[[FileEntry], bool]) -> None:
        """A collection began (and perhaps ended) since the last look.

        Args:
            collection: the newest that the branch knows of.
            known: whether a file is in the commit this one is made on: then it is reachable, and safe.

        Raises:
            CollectedError: something this transaction needs is gone, and its bytes are not at hand.
        """
        self._collection = collection
        ours = {place_of(entry)[0] for entry in self.entries.values() if entry is not None and not known(entry)}
        self._avoid(lambda key: key in ours)
        for entry in list(self.entries.values()):
            if entry is None or known(entry):
                continue
            key, _ = place_of(entry)
            if key in self.pending or self._objects.size(key) is not None:
                continue
            if key in self._held:
                self.pending[key] = self._held[key]
            else:
                raise CollectedError(
                    f"{entry.path} was written (or taken over) before a collection of garbage, and is gone.",
                    instruction="Run it again. Writers that work for longer than a day should commit more often.",
                )

    def _avoid(self, ours: Callable[[str], bool]) -> None:
        """Keep what has a condemned name under another one."""
        if not self._collection.keys:
            return
        moved: dict[str, str] = {}
        for path, entry in list(self.entries.items()):
            if entry is None:
                continue
            key, offset = place_of(entry)
            if key not in self._collection.keys or not ours(key):
                continue
            if key not in moved:
                moved[key] = new_nonce()[:_SALT]
                self.pending[_salted(entry, offset, moved[key])[1]] = self._body(key, entry)
                self.pending.pop(key, None)
            self.entries[path] = entry._replace(place=_salted(entry, offset, moved[key])[0])

    def _body(self, key: str, entry: FileEntry) -> Body:
        for known in (self.pending, self._held):
            if key in known:
                return known[key]
        try:
            if place_of(entry)[1] is None:
                return BlobReader(self._objects).read(entry)
            return self._objects.get(key)
        except StoreError as error:
            raise CollectedError(
                f"{entry.path} is kept in {key}, which a collection of garbage is deleting.",
                instruction="Run it again. Writers that work for longer than a day should commit more often.",
            ) from error


def _salted(entry: FileEntry, offset: int | None, salt: str) -> tuple[str, str]:
    """Place and key of a file under another name."""
    if offset is None:
        return f"~{salt}", blob_key(entry.digest, entry.path, salt)
    digest = entry.place.split(":")[0].split("~")[0]
    return f"{digest}~{salt}:{offset}", pack_key(digest, salt)


def _held(file: StagedFile) -> int:
    """Bytes of a staged file that are in memory."""
    return len(file.body) if isinstance(file.body, bytes) else 0
