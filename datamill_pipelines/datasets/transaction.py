"""A commit being made: a context manager that lands as a whole or not at all.

Two writers may commit to one branch at once. The one whose record comes second looks at what the first did: if it
touched other files, the transaction is applied on top and tried again (a bounded number of times); if it touched the
same files, or files this transaction read from the branch, :class:`~.errors.ConflictError`; if it moved the same
positions,
:class:`~.errors.FencedError`.
"""

from __future__ import annotations

import itertools
import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from datamill_pipelines.datasets.commits import Commit, commit_id, commit_of
from datamill_pipelines.datasets.diff import changed_paths
from datamill_pipelines.datasets.errors import ConflictError
from datamill_pipelines.datasets.framing import digest_of, new_nonce
from datamill_pipelines.datasets.names import check_no_clash, check_path, pack_key
from datamill_pipelines.datasets.positions import Advance, PositionRange, advanced, check_advances
from datamill_pipelines.datasets.staging import stage_file, stage_table
from datamill_pipelines.datasets.tree_edit import edit_tree
from datamill_pipelines.datasets.trees import EMPTY
from datamill_pipelines.datasets.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO

    import pyarrow as pa

    from datamill_pipelines.datasets.logs import RefLog, Tail
    from datamill_pipelines.datasets.nodes import FileEntry
    from datamill_pipelines.datasets.repos import Repo
    from datamill_pipelines.datasets.staging import StagedFile
    from datamill_pipelines.datasets.tree_edit import EditedTree
    from datamill_pipelines.datasets.views import CommitView

ATTEMPTS = 200
"""Records a transaction may lose the race for. With many writers each loss is another one's success."""

_LONGEST_PAUSE = 0.05
_INLINE_NODES = 256 << 10
"""Tree nodes up to this size travel in the commit's record."""


class Transaction:
    """See :meth:`~datamill_pipelines.datasets.repos.Repo.commit`.

    Attributes:
        metadata: anything JSON, kept in the commit; change it freely until the end.
        commit: after the end, the commit; ``None`` if nothing changed.
    """

    def __init__(self, repo: Repo, branch: str, facts: Mapping[str, str], metadata: Mapping[str, Any] | None) -> None:
        self.metadata: dict[str, Any] = dict(metadata or {})
        self.commit: Commit | None = None
        self.branch = branch
        self._repo = repo
        self._facts = dict(facts)
        self._log: RefLog = repo.branch_log(branch)
        self._deleted_prefixes: set[str] = set()
        self._advances: dict[str, Advance] = {}
        self._pinned: dict[str, CommitView] = {}
        self._read_from_head: set[str] = set()
        self._found_in: Commit | None = None
        self._found: dict[str, FileEntry | None] = {}
        self._tail: Tail | None = self._log.tail()
        self._base: Commit | None = repo.commit_at(self._tail)
        self._collection = repo.store.collections.get(self._tail.gc if self._tail else 0)
        self._uploads = Uploads(repo.store.objects, self._collection)

    @property
    def head(self) -> CommitView | None:
        """The branch as it was when the transaction began. What is read from it must not change until the commit."""
        if self._base is None:
            return None
        return self._repo.view(self._base, self._read_from_head.add)

    @property
    def positions(self) -> Mapping[str, PositionRange]:
        """How far the branch has read its sources, this transaction included."""
        return advanced(self._base.positions if self._base else {}, self._advances)

    def put(self, path: str, source: bytes | Path | BinaryIO) -> str:
        """Create or replace a file. Parquet files are read for their rows, schema and logical digest.

        Args:
            path: relative, ``/`` between segments.
            source: bytes, a file, or a stream. A file must stay as it is until the commit.

        Returns:
            The digest of its bytes.
        """
        file = stage_file(check_path(path), source)
        self._stage(file)
        return file.entry.digest

    def keep(self, path: str, digest: str) -> bool:
        """Say again what is at ``path``, without its bytes: whether the branch has a file with this digest there."""
        there = self._base_entry(path)
        if there is None or there.digest != digest:
            return False
        self._uploads.set(path, there)
        return True

    def put_table(
        self, path: str, table: pa.Table, sort_by: Sequence[str] = (), *, round_digits: int | None = None
    ) -> None:
        """Create or replace a Parquet file through the canonical writer: equal tables give equal bytes.

        Args:
            path: should end in ``.parquet``.
            table: the rows.
            sort_by: columns to sort by, ties broken by the others; without any, rows keep their order.
            round_digits: decimals that floats are rounded to, where the order of an engine's sums would show.
        """
        self._stage(stage_table(check_path(path), table, sort_by, round_digits))

    def copy(self, path: str, view: CommitView, source: str | None = None) -> None:
        """Take over a file of a commit that was read, without moving its bytes (same repo or another of the store)."""
        self._uploads.set(check_path(path), view.entry(source or path)._replace(path=path))

    def delete(self, path: str) -> None:
        """Delete a file; one that does not exist is no error."""
        self._uploads.set(check_path(path), None)

    def delete_prefix(self, prefix: str) -> None:
        """Delete every file whose path starts with ``prefix``, those put before in this transaction included."""
        self._deleted_prefixes.add(prefix)
        for path in [path for path in self._uploads.paths if path.startswith(prefix)]:
            self._uploads.forget(path)
        if self._base is not None:
            for entry in self._repo.tree.walk(self._base.root, prefix):
                self._uploads.set(entry.path, None)

    def read(self, ref: str) -> CommitView:
        """A commit to read from, pinned at first touch, and from now on provenance."""
        if ref not in self._pinned:
            view = self._repo.store.commit_view(ref)
            # What another writer has only just made visible must survive before anything refers to it.
            self._repo.store.objects.settle(view.commit.at)
            self._pinned[ref] = view
        return self._pinned[ref]

    def advance(self, key: str, start: int, end: int, *, adopt: bool = False) -> None:
        """Say that this batch covers ``start`` (included) to ``end`` (not) of a source.

        Args:
            key: of the position.
            start: must be where the branch's position ends, if it has one.
            end: at least ``start``.
            adopt: accept a start that does not fit: an explicit decision about a recreated source or a gap.

        Raises:
            FencedError: the branch has read up to somewhere else.
        """
        if end < start:
            raise ValueError(f"A batch cannot end ({end}) before it starts ({start}).")
        known = self._advances.get(key)
        if known is not None and known.end == start and not adopt:
            self._advances[key] = Advance(known.start, end, known.adopt)
            return
        step = Advance(start, end, adopt)
        check_advances(self._branch_name, self.positions, {key: step})
        self._advances[key] = step

    def __enter__(self) -> Self:
        """Begin."""
        self._repo.store.session.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit, or on an exception leave everything as it was."""
        try:
            if kind is None:
                self.commit = self._commit()
        finally:
            self._repo.store.session.end()

    @property
    def _branch_name(self) -> str:
        return f"{self._repo.name}@{self.branch}"

    def _stage(self, file: StagedFile) -> None:
        base = self._base_entry(file.entry.path)
        if base is not None and base.same_content(file.entry):
            self._uploads.set(base.path, base)
        else:
            self._uploads.put(file)

    def _base_entry(self, path: str) -> FileEntry | None:
        if self._base is None:
            return None
        if self._found_in is not self._base:
            self._found_in, self._found = self._base, {}
        if path not in self._found:
            self._found[path] = self._repo.tree.find(self._base.root, path)
        return self._found[path]

    def _commit(self) -> Commit | None:
        self._uploads.lay_out()
        if self._tail is None or not self._tail.is_open:
            self._begin_branch()
        if self._collection.keys:
            self._look_again()
        for attempt in range(ATTEMPTS):
            with self._repo.store.objects.crowd(self._log.folder, self._uploads.write_ahead) as others:
                if attempt or others:
                    self._move_base()
                changes = self._changes()
                self._check_no_clash(changes)
                edited = edit_tree(self._repo.tree, self._base.root if self._base else EMPTY, changes)
                if self._is_empty(edited):
                    return None
                commit = self._append(edited)
            if commit is not None:
                return commit
            time.sleep(random.random() * min(_LONGEST_PAUSE, 0.001 * 2**attempt))  # noqa: S311 (jitter)
        raise ConflictError(
            f"{self._branch_name} was changed by others {ATTEMPTS} times while this commit was being made.",
            instruction="Run it again, or commit less often: fewer, larger commits.",
        )

    def _begin_branch(self) -> None:
        """Make the branch first: a collection that begins now finds it, and fences it."""
        self._tail = self._repo.begin_branch(self.branch, self._log)
        head = self._repo.commit_at(self._tail)
        check_advances(self._branch_name, head.positions if head else {}, self._advances)
        if self._base is None:
            # Another writer may have made the branch meanwhile, and committed the same files.
            self._check_others(head)
        self._base = head
        if self._tail.gc != self._collection.number:
            self._look_again()

    def _look_again(self) -> None:
        """Check what this transaction writes or takes over against the collection that the branch knows of."""
        self._collection = self._repo.store.collections.get(self._tail.gc if self._tail else 0)
        self._uploads.look_again(self._collection, lambda entry: self._base_entry(entry.path) == entry)

    def _append(self, edited: EditedTree) -> Commit | None:
        objects = dict(self._uploads.pending)
        body, root, container = edited.body, edited.root.place, ""
        if len(body) > _INLINE_NODES:
            container = self._pack_key(digest_of(body))
            objects[container] = body
            body, root = b"", container + root if root.startswith(":") else root
        parents = [parent.head for parent in self._parents()]
        content = self._content(edited, [parent.id for parent in parents])
        record = self._log.append(
            self._tail,
            "commit",
            {
                "id": commit_id(content),
                "commit": content,
                "root": root,
                "parents_at": [parent.at for parent in parents],
            },
            body,
            list(objects.items()),
        )
        self._uploads.published()
        if record is None:
            return None
        edited.settle(container or record.key, self._repo.tree)
        commit = commit_of(record, self._repo.store.objects.url)
        self._repo.remember(commit)
        return commit

    def _pack_key(self, digest: str) -> str:
        key = pack_key(digest)
        return pack_key(digest, new_nonce()[:8]) if key in self._collection.keys else key

    def _content(self, edited: EditedTree, parents: list[str]) -> dict[str, Any]:
        return {
            **self._facts,
            "repo": self._repo.name,
            "branch": self.branch,
            "parents": parents,
            "provenance": [
                {"repo": view.repo, "ref": ref, "commit": view.id} for ref, view in sorted(self._pinned.items())
            ],
            "positions": {key: tuple(value) for key, value in self.positions.items()},
            "advanced": sorted(self._advances),
            "tree": edited.root.digest,
            "files": edited.root.files,
            "size": edited.root.size,
            "metadata": self.metadata,
            "created_at": datetime.now(UTC).isoformat(),
        }

    def _changes(self) -> dict[str, FileEntry | None]:
        """What differs from the base, so that a file put again with the same content changes nothing."""
        changes = {}
        for path, entry in self._uploads.entries.items():
            old = self._base_entry(path)
            if not (entry.same_content(old) if entry else old is None):
                changes[path] = entry
        return changes

    def _check_no_clash(self, changes: Mapping[str, FileEntry | None]) -> None:
        """Refuse a path that would be a file and a folder at once, in what is put or with what is there."""
        tree, root = self._repo.tree, self._base.root if self._base else EMPTY
        puts = {path for path, entry in changes.items() if entry is not None}
        gone = changes.keys() - puts
        folders = {path[:end] for path in puts for end, character in enumerate(path) if character == "/"}
        existing = {path for path in folders - gone if tree.find(root, path) is not None}
        # A file of the tree below a path that is put: one of them says enough.
        below = (entry.path for path in puts for entry in tree.walk(root, path + "/") if entry.path not in gone)
        check_no_clash([*puts, *itertools.islice(below, 1)], existing)

    def _is_empty(self, edited: EditedTree) -> bool:
        same = edited.root.digest == (self._base.tree if self._base else EMPTY.digest)
        return same and not self._advances and not self._is_news()

    def _is_news(self) -> bool:
        """Whether a commit is made although no file and no position changes."""
        return False

    def _parents(self) -> list[Commit]:
        return [self._base] if self._base else []

    def _move_base(self) -> None:
        """Take the branch's new head as base, if that is compatible with what this transaction did and saw."""
        tail = self._log.tail()
        if tail is None or not tail.is_open:
            raise ConflictError(
                f"{self._branch_name} was deleted while this commit was being made.",
                instruction="Decide whether it should exist, then run it again: that creates it anew.",
            )
        head = self._repo.commit_at(tail)
        check_advances(self._branch_name, head.positions if head else {}, self._advances)
        self._check_others(head)
        self._tail, self._base = tail, head
        if tail.gc != self._collection.number:
            self._look_again()

    def _check_others(self, head: Commit | None) -> None:
        """Refuse to land on a head in which others changed what this transaction did or saw."""
        theirs = changed_paths(self._repo.tree, self._base.root if self._base else EMPTY, head.root if head else EMPTY)
        prefixes = tuple(self._deleted_prefixes | self._read_from_head)
        clash = sorted(path for path in theirs if path in self._uploads.entries or path.startswith(prefixes))
        if clash:
            raise ConflictError(
                f"Another writer changed {', '.join(clash[:5])}{' and more' if len(clash) > 5 else ''}"  # noqa: PLR2004
                f" on {self._branch_name} while this commit was being made.",
                instruction="Run it again: it will see the other writer's files.",
                paths=clash,
            )
