"""A repo: branches of commits."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from datamill_pipelines.datasets.checkout import check_out
from datamill_pipelines.datasets.commits import commit_of, load_commit
from datamill_pipelines.datasets.diff import diff_trees
from datamill_pipelines.datasets.errors import ConflictError, DatasetError, ExistsError, NotFoundError
from datamill_pipelines.datasets.kept import Kept, check_kept
from datamill_pipelines.datasets.logs import RefLog
from datamill_pipelines.datasets.merge import merge_branch
from datamill_pipelines.datasets.names import check_name, folder_name, name_of_folder, repo_folder
from datamill_pipelines.datasets.refs import DEFAULT_BRANCH, Ref, parse_ref
from datamill_pipelines.datasets.rows import RowDiff, diff_rows
from datamill_pipelines.datasets.search import find_commit
from datamill_pipelines.datasets.transaction import Transaction
from datamill_pipelines.datasets.transfer import Pushed, push_branch
from datamill_pipelines.datasets.views import CommitView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from datamill_pipelines.datasets.commits import Commit
    from datamill_pipelines.datasets.diff import FileChange
    from datamill_pipelines.datasets.logs import Tail
    from datamill_pipelines.datasets.records import Head, Record
    from datamill_pipelines.datasets.store import DatasetStore
    from datamill_pipelines.datasets.trees import TreeReader

_ATTEMPTS = 50


class Repo:
    """One versioned dataset.

    Attributes:
        store: the store it is in.
        name: for example ``raw/flights``.
        description: one sentence.
    """

    def __init__(self, store: DatasetStore, name: str, description: str = "") -> None:
        self.store, self.name, self.description = store, name, description
        self._logs: dict[str, RefLog] = {}
        self._last: Commit | None = None

    @property
    def tree(self) -> TreeReader:
        """Loads the store's trees."""
        return self.store.tree

    # Commits

    def commit(
        self,
        branch: str = DEFAULT_BRANCH,
        *,
        message: str = "",
        author: str = "",
        run_id: str = "",
        code_version: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> Transaction:
        """Begin a commit; use it as a context manager. The branch is made when there is none.

        Args:
            branch: where it goes.
            message: why.
            author: who.
            run_id: of the orchestrator.
            code_version: of the code that makes it.
            metadata: anything JSON.
        """
        facts = {"message": message, "author": author, "run_id": run_id, "code_version": code_version}
        return Transaction(self, check_name("branch", branch), facts, metadata)

    def view(self, commit: Commit, on_read: Callable[[str], None] | None = None) -> CommitView:
        """The files of a commit of this repo."""
        return CommitView(commit, self.tree, self, on_read)

    def commit_view(self, revision: str = DEFAULT_BRANCH) -> CommitView:
        """The files of what ``revision`` (branch, tag, id, each with ``~n``) names."""
        return self.view(self.resolve(revision))

    def resolve(self, revision: str = DEFAULT_BRANCH) -> Commit:
        """The commit that a revision names.

        Raises:
            NotFoundError: nothing of that name has a commit.
        """
        return self.resolve_ref(parse_ref(f"{self.name}@{revision}"))

    def resolve_ref(self, ref: Ref) -> Commit:
        """The commit that a parsed reference of this repo names."""
        commit = self._named(ref.revision) or find_commit(self, ref.revision)
        for _ in range(ref.back):
            if not commit.parents:
                raise NotFoundError(
                    f"{ref} goes back further than the first commit.",
                    instruction=f"See what there is: datamill data log {self.name}@{ref.revision}",
                )
            commit = self.parents(commit)[0]
        return commit

    def head(self, branch: str = DEFAULT_BRANCH) -> Commit:
        """The commit at the end of a branch; tags and ids are no branches.

        Raises:
            NotFoundError: there is no such branch, or nothing on it.
        """
        tail = self.branch_log(branch).tail()
        if tail is None or not tail.is_open:
            raise NotFoundError(
                f"{self.name} has no branch {branch!r}.",
                instruction=f"Its branches: {', '.join(self.branches) or 'none'}.",
            )
        return self.resolve(branch)

    def parents(self, commit: Commit) -> list[Commit]:
        """The commits a commit was made from."""
        heads = zip(commit.parents, commit.parents_at, strict=True)
        return [self.store.load_commit(id_, at) for id_, at in heads]

    def log(self, ref: str = DEFAULT_BRANCH, *, limit: int | None = None) -> Iterator[Commit]:
        """Commits from ``ref`` back along first parents, newest first."""
        commit: Commit | None = self.resolve(ref)
        while commit is not None and limit != 0:
            yield commit
            limit = None if limit is None else limit - 1
            commit = self.parents(commit)[0] if commit.parents else None

    def diff(self, old: str, new: str) -> list[FileChange]:
        """Files that differ between two revisions, in path order."""
        return list(diff_trees(self.tree, self.resolve(old).root, self.resolve(new).root))

    def checkout(self, revision: str, target: Path, prefix: str = "") -> int:
        """Write a commit's files below the directory ``target``, checked; how many.

        Raises:
            ExistsError: the directory is not empty.
        """
        return check_out(self.commit_view(revision), target, prefix)

    # Branches and tags

    @property
    def branches(self) -> dict[str, Commit | None]:
        """The branches and their heads, by name."""
        return {name: self.commit_at(tail) for name, tail in self._open_refs("branches")}

    @property
    def tags(self) -> dict[str, Commit]:
        """The tags and their commits, by name."""
        found = {name: self.commit_at(tail) for name, tail in self._open_refs("tags")}
        return {name: commit for name, commit in found.items() if commit is not None}

    def create_branch(self, branch: str, at: str | None = None) -> None:
        """Make a branch, from a commit (nothing is copied) or with nothing.

        Raises:
            ExistsError: there is one.
            NotFoundError: there is no such commit.
            CollectedError: the commit was on a deleted branch, and is being collected.
        """
        log = self.branch_log(check_name("branch", branch))
        with self._kept(at, lambda: self.delete_branch(branch)) as kept:
            kept.record = self._create("branch", log, branch, kept.commit.head if kept.commit else None)

    def delete_branch(self, branch: str) -> None:
        """Delete a branch: what only it reaches is garbage from here on.

        Raises:
            NotFoundError: there is no such branch.
        """
        self._append_to(self.branch_log(branch), "branch", branch, "delete", {})

    def create_tag(self, tag: str, at: str = DEFAULT_BRANCH) -> None:
        """Give a commit a name that does not move.

        Raises:
            ExistsError: the name is taken.
            NotFoundError: there is no such commit.
            CollectedError: the commit was on a deleted branch, and is being collected.
        """
        log = self.tag_log(check_name("tag", tag))
        with self._kept(at, lambda: self.delete_tag(tag)) as kept:
            kept.record = self._create("tag", log, tag, kept.commit.head if kept.commit else None)

    def delete_tag(self, tag: str) -> None:
        """Delete a tag."""
        self._append_to(self.tag_log(tag), "tag", tag, "delete", {})

    def rollback(self, branch: str, to: str, *, message: str = "", author: str = "") -> Commit:
        """Let a branch point to an earlier (or any other) commit of the repo, by a new entry; nothing is rewritten.

        Files, positions and everything else are as they were at that commit.

        Returns:
            The commit the branch points to now.
        """
        before = self.resolve(branch).head
        with self._kept(to, lambda: self.point(branch, before)) as kept:
            commit = self.resolve(to) if kept.commit is None else kept.commit
            kept.record = self.point(branch, commit.head, message=message, author=author)
        return commit

    def merge(self, source: str, into: str = DEFAULT_BRANCH, *, message: str = "", author: str = "") -> Commit | None:
        """Merge a branch (or tag, or commit) into a branch, three-way, file by file.

        Returns:
            The merge commit; ``None`` when there is nothing to merge.

        Raises:
            MergeConflictError: both sides changed the same files or moved the same positions; nothing was written.
        """
        return merge_branch(self, source, into, {"message": message, "author": author})

    def push(self, target: DatasetStore, branch: str = DEFAULT_BRANCH) -> Pushed:
        """Copy a branch to another store: its commits keep their ids, the branch there only moves forward.

        Raises:
            ConflictError: the branch there has commits that this one has not.
        """
        return push_branch(self, target, branch)

    def pull(self, source: DatasetStore, branch: str = DEFAULT_BRANCH) -> Pushed:
        """Copy a branch from another store."""
        return push_branch(source.repo(self.name), self.store, branch)

    def diff_rows(self, old: str, new: str, prefix: str = "") -> RowDiff:
        """Rows of Parquet files that differ between two revisions."""
        return diff_rows(self.tree, self.resolve(old), self.resolve(new), prefix)

    def point(self, branch: str, head: Head, *, message: str = "", author: str = "") -> Record:
        """Let a branch, made if need be, point to a commit that is in the store."""
        self.begin_branch(branch, self.branch_log(branch))
        move = {"head": {"id": head.id, "at": head.at}, "message": message, "author": author}
        return self._append_to(self.branch_log(branch), "branch", branch, "move", move)

    @contextmanager
    def _kept(self, revision: str | None, undo: Callable[[], object]) -> Iterator[Kept]:
        """A commit that something will refer to; afterwards it is certain that no collection takes it away."""
        before = self.store.collections.newest()
        kept = Kept(self.resolve(revision) if revision is not None else None)
        yield kept
        newest = self.store.collections.newest()
        if kept.commit is None or kept.record is None:
            return
        if newest != before or self.store.collections.get(newest).keys:
            try:
                check_kept(self.store, kept.commit, kept.record, self.store.collections.get(newest))
            except DatasetError:
                undo()
                raise

    # What transactions need

    def branch_log(self, branch: str) -> RefLog:
        """The log of a branch."""
        return self._log("branches", branch)

    def tag_log(self, tag: str) -> RefLog:
        """The log of a tag."""
        return self._log("tags", tag)

    def commit_at(self, tail: Tail | None) -> Commit | None:
        """The commit a branch points to."""
        if tail is None or not tail.is_open or tail.record.head is None:
            return None
        if tail.record.kind == "commit":
            last = self._last
            return last if last is not None and last.at == tail.record.key else commit_of(tail.record, self.store.url)
        return load_commit(self.store.objects, tail.record.head)

    def begin_branch(self, branch: str, log: RefLog) -> Tail:
        """Make sure that a branch exists; its last record."""
        for _ in range(_ATTEMPTS):
            tail = log.tail()
            if tail is not None and tail.is_open:
                return tail
            log.append(tail, "start", {"head": None, "gc": self.store.collections.newest()})
        raise _contended("branch", f"{self.name}@{branch}")

    def remember(self, commit: Commit) -> None:
        """Keep the commit just made, so that the next one need not read it again."""
        self._last = commit

    def _named(self, revision: str) -> Commit | None:
        for log in (self.branch_log(revision), self.tag_log(revision)):
            tail = log.tail()
            if tail is not None and tail.is_open:
                commit = self.commit_at(tail)
                if commit is not None:
                    return commit
                raise NotFoundError(
                    f"{self.name}@{revision} has no commit yet.",
                    instruction=f"Make one: datamill data put {self.name}@{revision} FILE",
                )
        return None

    def _log(self, kind: str, name: str) -> RefLog:
        folder = f"{repo_folder(self.name)}/{kind}/{folder_name(name)}"
        return self._logs.setdefault(folder, RefLog(self.store.objects, folder))

    def _open_refs(self, kind: str) -> Iterator[tuple[str, Tail]]:
        for folder in self.store.objects.folders(f"{repo_folder(self.name)}/{kind}"):
            tail = self._log(kind, name_of_folder(folder)).tail()
            if tail is not None and tail.is_open:
                yield name_of_folder(folder), tail

    def _create(self, kind: str, log: RefLog, name: str, head: Head | None) -> Record:
        content = {"head": {"id": head.id, "at": head.at} if head else None, "gc": self.store.collections.newest()}
        for _ in range(_ATTEMPTS):
            tail = log.tail()
            if tail is not None and tail.is_open:
                raise ExistsError(
                    f"There is a {kind} {self.name}@{name} already.",
                    instruction="Choose another name, or delete it first.",
                )
            record = log.append(tail, "start", content)
            if record is not None:
                return record
        raise _contended(kind, f"{self.name}@{name}")

    def _append_to(self, log: RefLog, kind: str, name: str, record: str, content: dict[str, Any]) -> Record:
        for _ in range(_ATTEMPTS):
            tail = log.tail()
            if tail is None or not tail.is_open:
                raise NotFoundError(
                    f"There is no {kind} {self.name}@{name}.",
                    instruction=f"See what there is: datamill data branch {self.name}",
                )
            appended = log.append(tail, record, content)
            if appended is not None:
                return appended
        raise _contended(kind, f"{self.name}@{name}")


def _contended(kind: str, name: str) -> ConflictError:
    return ConflictError(
        f"The {kind} {name} was changed by others {_ATTEMPTS} times meanwhile.", instruction="Run it again."
    )
