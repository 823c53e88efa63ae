"""Copying a branch's commits to another store: ``push``, and ``pull``, which is a push the other way round.

Commits keep their ids. What the other store has already is not copied; a branch there only moves forward. Tree nodes
are written anew (where they are kept differs from store to store), and the digest of each tree has to come out the
same.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamill_pipelines.datasets.blobs import BlobReader, place_of
from datamill_pipelines.datasets.contract import Promise, UnsupportedError
from datamill_pipelines.datasets.diff import diff_trees
from datamill_pipelines.datasets.errors import ConflictError, DamagedObjectError
from datamill_pipelines.datasets.framing import digest_of, new_nonce
from datamill_pipelines.datasets.records import read_record
from datamill_pipelines.datasets.search import all_records
from datamill_pipelines.datasets.transaction import Transaction
from datamill_pipelines.datasets.trees import EMPTY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_pipelines.datasets.commits import Commit
    from datamill_pipelines.datasets.nodes import FileEntry
    from datamill_pipelines.datasets.objects import Body
    from datamill_pipelines.datasets.records import Head
    from datamill_pipelines.datasets.repos import Repo
    from datamill_pipelines.datasets.store import DatasetStore

_IN_MEMORY = 16 << 20


@dataclass
class Pushed:
    """What was copied.

    Attributes:
        commits: ids, oldest first.
        objects: files and packs written.
        size: their bytes.
    """

    commits: list[str] = field(default_factory=list)
    objects: int = 0
    size: int = 0


def push_branch(source: Repo, target: DatasetStore, branch: str) -> Pushed:
    """Copy a branch to another store; its repo is made there if need be.

    Raises:
        UnsupportedError: one of the stores cannot keep the ids of commits.
        NotFoundError: there is no such branch, or no commit on it.
        ConflictError: the branch there has commits that this one does not have.
        DamagedObjectError: something here is not what was committed; it does not spread.
    """
    for store in (source.store, target):
        if Promise.TRANSFER not in store.promises:
            raise UnsupportedError(
                f"Commits cannot be copied to or from {store.url}: it gives every commit an id of its own, so history"
                " would not be the same there.",
                instruction="Copy files: `datamill data checkout` from one store, `datamill data put` into the other.",
            )
    head = source.head(branch)
    repo = target.create_repo(source.name, source.description, exist_ok=True)
    there = repo.commit_at(repo.branch_log(branch).tail())
    if there is not None and there.id == head.id:
        return Pushed()
    known = {there.id: there.head} if there is not None else {}
    missing = _missing(source, head, known)
    if missing is None:
        known = {record.head.id: record.head for record in all_records(repo) if record.head is not None}
        missing = _missing(source, head, known) or []
        if there is not None and not _is_ancestor(source, there.id, head):
            raise ConflictError(
                f"{target.url} has commits on {repo.name}@{branch} that are not on the branch being copied.",
                instruction="Bring the other side's commits here under another branch's name, merge them, copy again.",
            )
    return _copy(source, repo, branch, missing, known)


def _missing(source: Repo, head: Commit, known: Mapping[str, Head]) -> list[Commit] | None:
    """Commits that are not known there, parents first; ``None`` when the known ones were not met on the way."""
    order: list[Commit] = []
    met = not known
    waiting: list[tuple[Commit, bool]] = [(head, False)]
    seen: set[str] = set()
    while waiting:
        commit, done = waiting.pop()
        if done:
            order.append(commit)
        elif commit.id in known:
            met = True
        elif commit.id not in seen:
            seen.add(commit.id)
            waiting.append((commit, True))
            waiting += [(parent, False) for parent in reversed(source.parents(commit))]
    return order if met else None


def _is_ancestor(source: Repo, id_: str, head: Commit) -> bool:
    seen = {head.id}
    waiting = [head]
    while waiting:
        commit = waiting.pop()
        if commit.id == id_:
            return True
        fresh = [parent for parent in source.parents(commit) if parent.id not in seen]
        seen |= {parent.id for parent in fresh}
        waiting += fresh
    return False


def _copy(source: Repo, repo: Repo, branch: str, missing: list[Commit], known: dict[str, Head]) -> Pushed:
    pushed = Pushed()
    head = repo.commit_at(repo.branch_log(branch).tail())
    previous = head.id if head is not None else None
    line = [previous, *(commit.id for commit in missing)]
    linear = all(list(commit.parents[:1]) == ([line[i]] if line[i] else []) for i, commit in enumerate(missing))
    staging = branch if linear else f"push-{new_nonce()[:8]}"
    with tempfile.TemporaryDirectory(prefix="datamill-") as scratch:
        for commit in missing:
            replay = Replay(source, repo, staging, commit, known, Path(scratch))
            with replay:
                replay.take(pushed)
            if replay.commit is None:
                raise AssertionError(commit.id)
            known[commit.id] = replay.commit.head
            pushed.commits.append(commit.id)
    if not linear:
        # History with merges is written aside, and the branch moves once.
        repo.point(branch, known[missing[-1].id])
        repo.delete_branch(staging)
    return pushed


class Replay(Transaction):
    """A commit of another store, made again here."""

    def __init__(
        self, source: Repo, repo: Repo, branch: str, commit: Commit, known: Mapping[str, Head], scratch: Path
    ) -> None:
        super().__init__(repo, branch, {}, None)
        self._source, self._commit_there, self._known, self._scratch = source, commit, known, scratch
        self._said: dict[str, Any] = read_record(source.store.objects, commit.at).content["commit"]
        parents = [repo.store.load_commit(known[parent].id, known[parent].at) for parent in commit.parents]
        self._parents_here = parents
        self._base = parents[0] if parents else None

    def take(self, pushed: Pushed) -> None:
        """Take over the files that differ from the first parent."""
        parents = self._source.parents(self._commit_there)
        tree = self._source.tree
        for change in diff_trees(tree, parents[0].root if parents else EMPTY, self._commit_there.root):
            self._uploads.set(change.path, change.new)
            if change.new is not None:
                self._take_bytes(change.new, pushed)

    def _take_bytes(self, entry: FileEntry, pushed: Pushed) -> None:
        key, offset = place_of(entry)
        if key in self._uploads.pending:
            return
        if self._repo.store.objects.size(key) is not None:
            self._repo.store.objects.settle(key)
            return
        body = self._pack(key) if offset is not None else self._file(entry)
        self._uploads.pending[key] = body
        pushed.objects += 1
        pushed.size += len(body) if isinstance(body, bytes) else body.stat().st_size
        if self._uploads.is_full():
            self._uploads.flush()

    def _pack(self, key: str) -> bytes:
        data = self._source.store.objects.get(key)
        if digest_of(data) != key.rpartition("/")[2].split("~")[0]:
            raise DamagedObjectError(
                f"{key} in {self._source.store.url} is damaged.",
                instruction="Run `datamill data fsck` there, and repair it first.",
                key=key,
            )
        return data

    def _file(self, entry: FileEntry) -> Body:
        blobs = BlobReader(self._source.store.objects)
        if entry.size <= _IN_MEMORY:
            return blobs.read(entry)
        path = self._scratch / entry.digest
        blobs.download(entry, path)
        return path

    def _parents(self) -> list[Commit]:
        return self._parents_here

    def _content(self, edited: Any, parents: list[str]) -> dict[str, Any]:  # noqa: ANN401
        if edited.root.digest != self._said["tree"] or parents != self._said["parents"]:
            raise DamagedObjectError(
                f"{self._commit_there.ref} does not come out the same in {self._repo.store.url}.",
                instruction="Run `datamill data fsck` on both stores.",
                key=self._commit_there.at,
            )
        return self._said

    def _is_news(self) -> bool:
        return True

    def _begin_branch(self) -> None:
        base = self._base
        super()._begin_branch()
        self._base = base

    def _move_base(self) -> None:
        tail, before = self._log.tail(), self._tail
        if tail is None or before is None or tail.record.head != before.record.head or not tail.is_open:
            raise ConflictError(
                f"{self._branch_name} in {self._repo.store.url} was changed while it was copied to.",
                instruction="Copy again: what is there already is not copied twice.",
            )
        self._tail = tail  # only a collection of garbage has begun
        self._look_again()
