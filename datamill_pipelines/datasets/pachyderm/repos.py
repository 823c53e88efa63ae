"""A repo in Pachyderm: branches of commits."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn, cast

import orjson
import pyarrow as pa
from pachyderm_sdk.api import metadata as annotating
from pachyderm_sdk.api import pfs

from datamill_pipelines.datasets.contract import UnsupportedError
from datamill_pipelines.datasets.diff import FileChange
from datamill_pipelines.datasets.errors import ExistsError, NotFoundError
from datamill_pipelines.datasets.pachyderm.history import commits_back, is_made_up, is_open, parent_id
from datamill_pipelines.datasets.pachyderm.names import PIN, branch_message, is_commit_id, repo_message
from datamill_pipelines.datasets.pachyderm.opening import Opening
from datamill_pipelines.datasets.pachyderm.transaction import PachydermTransaction
from datamill_pipelines.datasets.pachyderm.views import PachydermView
from datamill_pipelines.datasets.refs import DEFAULT_BRANCH, SHORTEST_ID, Ref, looks_like_id, parse_ref
from datamill_pipelines.datasets.rows import RowDiff, compare_rows
from datamill_pipelines.datasets.tables import read_parquet
from datamill_pipelines.datasets.transfer import Pushed, push_branch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from datamill_pipelines.datasets.commits import Commit
    from datamill_pipelines.datasets.pachyderm.store import PachydermStore
    from datamill_pipelines.datasets.repos import Repo
    from datamill_pipelines.datasets.store import DatasetStore

ROLLBACK_KEY = "datamill-rollback"
"""The key in a branch's metadata that says who moved it last, where to, when and why."""


class PachydermRepo:
    """One versioned dataset.

    Attributes:
        store: the store it is in.
        name: for example ``raw/flights``: the repo ``flights`` of the project ``raw``.
        description: one sentence.
    """

    def __init__(self, store: PachydermStore, name: str, description: str = "") -> None:
        self.store, self.name, self.description = store, name, description
        self._message = repo_message(name)

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
    ) -> PachydermTransaction:
        """Begin a commit; use it as a context manager. The branch is made when there is none.

        Args:
            branch: where it goes.
            message: why; Pachyderm's description.
            author: who.
            run_id: of the orchestrator.
            code_version: of the code that makes it.
            metadata: anything JSON.
        """
        facts = {"message": message, "author": author, "run_id": run_id, "code_version": code_version}
        return PachydermTransaction(self, branch_message(self._message, branch), facts, metadata)

    def view(
        self,
        commit: Commit,
        on_read: Callable[[str], None] | None = None,
        branch: pfs.Branch | None = None,
    ) -> PachydermView:
        """The files of a commit of this repo."""
        message = pfs.Commit(repo=self._message, id=commit.id)
        return PachydermView(self.store.door, commit, message, self.log, on_read=on_read, branch=branch)

    def commit_view(self, revision: str = DEFAULT_BRANCH) -> PachydermView:
        """The files of what ``revision`` (branch or id, each with ``~n``) names."""
        return self.view_of_ref(parse_ref(f"{self.name}@{revision}"))

    def view_of_ref(self, ref: Ref) -> PachydermView:
        """The files of what a parsed reference of this repo names."""
        info, branch = self._named(ref.revision)
        if ref.back:
            what = f"list the commits of {self.name}"
            back = itertools.islice(commits_back(self.store.door, info.commit, what), ref.back, None)
            found, branch = next(back, None), None
            if found is None:
                raise NotFoundError(
                    f"{ref} goes back further than the first commit.",
                    instruction=f"See what there is: datamill data log {self.name}@{ref.revision}",
                )
            info = found
        return self.view(self.store.commits.of(info), branch=branch)

    def resolve(self, revision: str = DEFAULT_BRANCH) -> Commit:
        """The commit that a revision names.

        Raises:
            NotFoundError: nothing of that name has a commit.
        """
        return self.commit_view(revision).commit

    def parents(self, commit: Commit) -> list[Commit]:
        """The commits a commit was made from."""
        return [self.resolve(parent) for parent in commit.parents]

    def log(self, ref: str = DEFAULT_BRANCH, *, limit: int | None = None) -> Iterator[Commit]:
        """Commits from ``ref`` back, newest first."""
        start = self.commit_view(ref).message
        infos = commits_back(self.store.door, start, f"list the commits of {self.name}")
        for info in itertools.islice(infos, limit):
            yield self.store.commits.of(info)

    def diff(self, old: str, new: str) -> list[FileChange]:
        """Files that differ between two revisions, in path order."""
        before, after = self.commit_view(old).listing, self.commit_view(new).listing
        changes = []
        for path in sorted(before.keys() | after.keys()):
            first: Any = before.get(path)
            second: Any = after.get(path)
            if first is None:
                changes.append(FileChange("added", path, None, second))
            elif second is None:
                changes.append(FileChange("removed", path, first, None))
            elif first != second:
                changes.append(FileChange("changed", path, first, second))
        return changes

    def diff_rows(self, old: str, new: str, prefix: str = "") -> RowDiff:
        """Rows of Parquet files that differ between two revisions."""
        changes = [change for change in self.diff(old, new) if change.path.startswith(prefix)]
        before, after = self.commit_view(old), self.commit_view(new)
        return compare_rows(
            _rows(before, [change.path for change in changes if change.old is not None]),
            _rows(after, [change.path for change in changes if change.new is not None]),
        )

    def checkout(self, revision: str, target: Path, prefix: str = "") -> int:
        """Write a commit's files below the directory ``target``; how many.

        Raises:
            ExistsError: the directory is not empty.
        """
        if target.exists() and any(target.iterdir()):
            raise ExistsError(
                f"{target} is not empty.", instruction="Name a directory that is empty or does not exist yet."
            )
        target.mkdir(parents=True, exist_ok=True)
        view = self.commit_view(revision)
        count = 0
        for count, file in enumerate(view.files(prefix), start=1):  # noqa: B007 (it is the result)
            path = target / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            view.download(file.path, path)
        return count

    # Branches

    @property
    def branches(self) -> dict[str, Commit | None]:
        """The branches and their heads, by name."""
        with self.store.door.asking(f"list the branches of {self.name}"):
            infos = list(self.store.door.pfs.list_branch(repo=self._message))
        found: dict[str, Commit | None] = {}
        for info in sorted(infos, key=lambda info: info.branch.name):
            if not info.branch.name.startswith(PIN):
                view = self.head_view(info.branch)
                found[info.branch.name] = view.commit if view else None
        return found

    def create_branch(self, branch: str, at: str | None = None) -> None:
        """Make a branch, from a commit (nothing is copied) or with nothing.

        Raises:
            ExistsError: there is one.
            NotFoundError: there is no such commit.
        """
        message = branch_message(self._message, branch)
        head = self.commit_view(at).message if at is not None else None
        if self._branch(message) is not None:
            raise ExistsError(
                f"There is a branch {self.name}@{branch} already.",
                instruction="Choose another name, or delete it first.",
            )
        with self.store.door.asking(f"create the branch {self.name}@{branch}"):
            self.store.door.pfs.create_branch(branch=message, head=head)

    def delete_branch(self, branch: str) -> None:
        """Delete a branch. Its commits stay, and can be read by their ids.

        Raises:
            NotFoundError: there is no such branch.
        """
        with self.store.door.asking(f"delete the branch {self.name}@{branch}"):
            self.store.door.pfs.delete_branch(branch=branch_message(self._message, branch))

    def rollback(self, branch: str, to: str, *, message: str = "", author: str = "") -> Commit:
        """Let a branch point to an earlier (or any other) commit of the repo.

        Pachyderm keeps no record of it. Who did it last, and why, is put into the branch's metadata.

        Returns:
            The commit the branch points to now.
        """
        target = branch_message(self._message, branch)
        view = self.commit_view(to)
        if Opening(self.store.door).head(target, f"{self.name}@{branch}") is None:
            raise NotFoundError(
                f"There is no branch {self.name}@{branch}.",
                instruction=f"See what there is: datamill data branch {self.name}",
            )
        with self.store.door.asking(f"move the branch {self.name}@{branch}"):
            self.store.door.pfs.create_branch(branch=target, head=view.message)
            said = {"to": view.id, "message": message, "author": author, "at": datetime.now(UTC).isoformat()}
            note = annotating.EditEditKey(key=ROLLBACK_KEY, value=orjson.dumps(said).decode())
            self.store.door.metadata.edit_metadata(edits=[annotating.Edit(branch=target.as_picker(), edit_key=note)])
        return view.commit

    # What Pachyderm cannot do

    @property
    def tags(self) -> dict[str, Commit]:
        """None: Pachyderm has no tags."""
        return {}

    def create_tag(self, tag: str, at: str = DEFAULT_BRANCH) -> NoReturn:
        """Not with Pachyderm.

        Raises:
            UnsupportedError: always.
        """
        raise UnsupportedError(
            f"Pachyderm has no tags, so {self.name}@{at} cannot be given the name {tag!r}.",
            instruction=f"Make a branch that nobody writes to: datamill data branch {self.name} {tag} --at {at}",
        )

    def delete_tag(self, tag: str) -> NoReturn:
        """Not with Pachyderm.

        Raises:
            UnsupportedError: always.
        """
        raise UnsupportedError(
            f"Pachyderm has no tags, so there is no {tag!r} in {self.name}.",
            instruction=f"See what there is: datamill data branch {self.name}",
        )

    def push(self, target: DatasetStore, branch: str = DEFAULT_BRANCH) -> Pushed:
        """Not with Pachyderm.

        Raises:
            UnsupportedError: always.
        """
        return push_branch(cast("Repo", self), target, branch)

    def pull(self, source: DatasetStore, branch: str = DEFAULT_BRANCH) -> Pushed:
        """Not with Pachyderm.

        Raises:
            UnsupportedError: always.
        """
        return push_branch(source.repo(self.name), cast("DatasetStore", self.store), branch)

    def merge(self, source: str, into: str = DEFAULT_BRANCH, *, message: str = "", author: str = "") -> NoReturn:
        """Not with Pachyderm.

        Raises:
            UnsupportedError: always.
        """
        del message, author
        raise UnsupportedError(
            f"Pachyderm does not merge branches ({self.name}, {source} into {into}): a commit has one parent.",
            instruction="Commit the files you want on the branch that shall have them:"
            " `with repo.commit(branch) as txn: txn.copy(path, view)`.",
        )

    # What transactions need

    def head_view(self, branch: pfs.Branch) -> PachydermView | None:
        """The newest state of a branch that is not open; ``None`` when there is none."""
        start = pfs.Commit(repo=self._message, branch=branch)
        try:
            info = next(commits_back(self.store.door, start, f"read the branch {self.name}@{branch.name}"), None)
        except NotFoundError:
            return None
        return self.view(self.store.commits.of(info)) if info else None

    def view_of_parent(self, info: pfs.CommitInfo) -> PachydermView | None:
        """The state that a commit follows; ``None`` for the first one."""
        if not parent_id(info):
            return None
        start = pfs.Commit(repo=self._message, id=parent_id(info))
        parent = next(commits_back(self.store.door, start, f"read the commits of {self.name}"), None)
        return self.view(self.store.commits.of(parent)) if parent else None

    def _branch(self, branch: pfs.Branch) -> pfs.BranchInfo | None:
        try:
            with self.store.door.asking(f"read the branch {self.name}@{branch.name}"):
                return self.store.door.pfs.inspect_branch(branch=branch)
        except NotFoundError:
            return None

    def _named(self, revision: str) -> tuple[pfs.CommitInfo, pfs.Branch | None]:
        """The commit that a name without ``~n`` names, and the branch if it is that branch's head."""
        if is_commit_id(revision):
            info = self._by_id(revision)
            if info is not None:
                return info, None
        else:
            branch = pfs.Branch(repo=self._message, name=revision)
            known = self._branch(branch)
            if known is not None:
                start = pfs.Commit(repo=self._message, branch=branch)
                info = next(commits_back(self.store.door, start, f"read {self.name}@{revision}"), None)
                if info is None:
                    raise NotFoundError(
                        f"{self.name}@{revision} has no commit yet.",
                        instruction=f"Make one: datamill data put {self.name}@{revision} FILE",
                    )
                return info, branch if known.head.id == info.commit.id else None
            if looks_like_id(revision):
                return self._by_prefix(revision), None
        raise NotFoundError(
            f"{self.name} has no branch or commit {revision!r}.",
            instruction=f"See what there is: datamill data log {self.name}."
            f" (An id needs {SHORTEST_ID} digits or more.)",
        )

    def _by_id(self, commit: str) -> pfs.CommitInfo | None:
        try:
            with self.store.door.asking(f"read {self.name}@{commit}"):
                info = self.store.door.pfs.inspect_commit(commit=pfs.Commit(repo=self._message, id=commit))
        except NotFoundError:
            return None
        # For an id that only a commit downstream has, the server answers with the commit it was made from.
        return None if info.commit.id != commit or is_open(info) or is_made_up(info) else info

    def _by_prefix(self, revision: str) -> pfs.CommitInfo:
        with self.store.door.asking(f"list the commits of {self.name}"):
            found = [
                info
                for info in self.store.door.pfs.list_commit(repo=self._message)
                if info.commit.id.startswith(revision) and not is_open(info) and not is_made_up(info)
            ]
        if len(found) > 1:
            raise NotFoundError(
                f"{len(found)} commits of {self.name} begin with {revision}.",
                instruction="Write more digits of the id.",
            )
        if not found:
            raise NotFoundError(
                f"{self.name} has no branch or commit {revision!r}.",
                instruction=f"See what there is: datamill data log {self.name}",
            )
        return found[0]


def _rows(view: PachydermView, paths: list[str]) -> pa.Table:
    tables = [read_parquet(view.read_bytes(path)) for path in paths if view.file(path).is_table]
    return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
