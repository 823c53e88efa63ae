"""A commit being made in Pachyderm: a context manager that lands as a whole or not at all.

Files wait here until the end. Then they are uploaded as one file set, which belongs to no commit yet; a commit is
opened, the file set becomes its content, and it is finished. Readers see finished commits only. A writer that dies
before the commit is opened leaves nothing; one that dies after leaves an open commit, which the next writer drops.

When the head has moved since the transaction began, what the others changed is compared with what was changed and read
here, as in the native store: other files are built upon, the same ones are a conflict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pachyderm_sdk.api import metadata as annotating
from pachyderm_sdk.api import pfs

from datamill_pipelines.datasets.commits import Provenance
from datamill_pipelines.datasets.contract import UnsupportedError
from datamill_pipelines.datasets.errors import ConflictError, DatasetError, StoreUnreachableError
from datamill_pipelines.datasets.names import check_no_clash
from datamill_pipelines.datasets.pachyderm.annotations import NO_MESSAGE, Annotation
from datamill_pipelines.datasets.pachyderm.door import RefusedError
from datamill_pipelines.datasets.pachyderm.history import finished, is_open, parent_id, tree_of
from datamill_pipelines.datasets.pachyderm.names import pachyderm_path
from datamill_pipelines.datasets.pachyderm.opening import Opening, Upstream
from datamill_pipelines.datasets.pachyderm.spool import Spool
from datamill_pipelines.datasets.tables import canonical_table, encode_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO, NoReturn

    import pyarrow as pa

    from datamill_pipelines.datasets.commits import Commit
    from datamill_pipelines.datasets.pachyderm.repos import PachydermRepo
    from datamill_pipelines.datasets.pachyderm.views import PachydermView


class PachydermTransaction:
    """See :meth:`~datamill_pipelines.datasets.pachyderm.repos.PachydermRepo.commit`.

    Attributes:
        metadata: anything JSON, kept in the commit; change it freely until the end.
        commit: after the end, the commit; ``None`` if nothing changed.
        branch: the branch's name.
    """

    def __init__(
        self, repo: PachydermRepo, branch: pfs.Branch, facts: Mapping[str, str], metadata: Mapping[str, Any] | None
    ) -> None:
        self.metadata: dict[str, Any] = dict(metadata or {})
        self.commit: Commit | None = None
        self.branch = str(branch.name)
        self._repo, self._message, self._facts = repo, branch, dict(facts)
        self._door = repo.store.door
        self._spool = Spool()
        self._deletes: set[str] = set()
        self._deleted_prefixes: set[str] = set()
        self._read_from_head: set[str] = set()
        self._pinned: dict[str, PachydermView] = {}
        self._base: PachydermView | None = repo.head_view(branch)

    @property
    def head(self) -> PachydermView | None:
        """The branch as it was when the transaction began. What is read from it must not change until the commit."""
        if self._base is None:
            return None
        return self._repo.view(self._base.commit, self._read_from_head.add)

    @property
    def positions(self) -> Mapping[str, Any]:
        """None: see :meth:`advance`."""
        return {}

    def put(self, path: str, source: bytes | Path | BinaryIO) -> None:
        """Create or replace a file.

        Args:
            path: relative, ``/`` between segments.
            source: bytes, a file, or a stream. A file must stay as it is until the commit.
        """
        pachyderm_path(path)
        self._spool.put(path, source)
        self._deletes.discard(path)

    def keep(self, path: str, digest: str) -> bool:
        """Never: Pachyderm knows a file by a hash of its own, and is sent every byte."""
        del path, digest
        return False

    def put_table(
        self, path: str, table: pa.Table, *, sort_by: Sequence[str] = (), round_digits: int | None = None
    ) -> None:
        """Create or replace a Parquet file through the canonical writer: equal tables give equal bytes.

        Args:
            path: should end in ``.parquet``.
            table: the rows.
            sort_by: columns to sort by, ties broken by the others; without any, rows keep their order.
            round_digits: decimals that floats are rounded to, where the order of an engine's sums would show.
        """
        self.put(path, encode_table(canonical_table(table, sort_by=sort_by, round_digits=round_digits)))

    def copy(self, path: str, view: PachydermView, source: str | None = None) -> None:
        """Take over a file of a commit that was read. Its bytes are read and sent again."""
        self.put(path, view.open(source or path))

    def delete(self, path: str) -> None:
        """Delete a file; one that does not exist is no error."""
        self._spool.forget(path)
        self._deletes.add(path)

    def delete_prefix(self, prefix: str) -> None:
        """Delete every file whose path starts with ``prefix``, those put before in this transaction included."""
        self._deleted_prefixes.add(prefix)
        here = self._base.listing if self._base else {}
        for path in [path for path in (*self._spool.paths(), *here) if path.startswith(prefix)]:
            self.delete(path)

    def read(self, ref: str) -> PachydermView:
        """A commit to read from, pinned at first touch, and from now on provenance."""
        if ref not in self._pinned:
            self._pinned[ref] = self._repo.store.commit_view(ref)
        return self._pinned[ref]

    def advance(self, key: str, start: int, end: int, *, adopt: bool = False) -> NoReturn:
        """Not with Pachyderm.

        Raises:
            UnsupportedError: always.
        """
        del start, end, adopt
        raise UnsupportedError(
            f"Pachyderm cannot fence the positions of a source ({key}): it has no write that succeeds only if nothing"
            " was there.",
            instruction="Let sinks write to the native store, and take what they land from there.",
        )

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit, or on an exception leave everything as it was."""
        try:
            if kind is None:
                self.commit = self._commit()
        finally:
            self._spool.close()

    @property
    def _branch_name(self) -> str:
        return f"{self._repo.name}@{self.branch}"

    def _commit(self) -> Commit | None:
        here = self._base.listing if self._base else {}
        puts = self._spool.paths()
        deletes = self._deletes & here.keys()
        if not puts and not deletes:
            return None
        check_no_clash(puts, here.keys() - deletes)
        if not deletes and all(self._is_unchanged(path) for path in puts):
            return None
        with self._door.asking(f"take files for {self._branch_name}"):
            file_set = str(self._door.pfs.create_file_set(self._spool.requests(deletes)).file_set_id)
        self._compare_with(self._repo.head_view(self._message), puts | deletes)
        opening = Opening(self._door, clock=self._repo.store.clock, sleep=self._repo.store.sleep)
        opened = opening.open(self._message, self._upstream())
        try:
            return self._fill(opened, file_set, puts, deletes)
        except BaseException as error:
            landed = self._landed(opened.commit, error)
            if landed is not None:
                return landed
            try:
                opening.drop(opened.commit)
            except DatasetError as failure:
                error.add_note(
                    f"The commit {opened.commit.id} stays open until another writer drops it: {failure.reason}"
                )
            raise

    def _is_unchanged(self, path: str) -> bool:
        """Whether a put file is there already. Pachyderm's hashes cannot be computed here, so equal sizes are read."""
        file = self._base.listing.get(path) if self._base else None
        if self._base is None or file is None or file.size != self._spool.size(path):
            return False
        with self._base.open(path) as there:
            return self._spool.is_equal(path, there)

    def _upstream(self) -> list[Upstream]:
        found = {(view.repo, view.id): view for view in self._pinned.values() if view.repo != self._repo.name}
        return [Upstream(view.message, view.branch) for _, view in sorted(found.items())]

    def _compare_with(self, head: PachydermView | None, changed: set[str]) -> None:
        """Take the branch's present head as base, if that is compatible with what this transaction did and saw."""
        if (head.id if head else "") == (self._base.id if self._base else ""):
            return
        before, after = (view.listing if view else {} for view in (self._base, head))
        theirs = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        prefixes = tuple(self._deleted_prefixes | self._read_from_head)
        clash = sorted(path for path in theirs if path in changed or path.startswith(prefixes))
        if clash:
            raise ConflictError(
                f"Another writer changed {', '.join(clash[:5])}{' and more' if len(clash) > 5 else ''}"  # noqa: PLR2004
                f" on {self._branch_name} while this commit was being made.",
                instruction="Run it again: it will see the other writer's files.",
                paths=clash,
            )
        check_no_clash(self._spool.paths(), after.keys() - self._deletes)
        self._base = head

    def _fill(self, opened: pfs.CommitInfo, file_set: str, puts: set[str], deletes: set[str]) -> Commit:
        if parent_id(opened) != (self._base.id if self._base else ""):
            self._compare_with(self._repo.view_of_parent(opened), puts | deletes)
        sizes = {path: file.size for path, file in (self._base.listing if self._base else {}).items()}
        sizes = {path: size for path, size in sizes.items() if path not in deletes}
        sizes |= {path: self._spool.size(path) for path in puts}
        with self._door.asking(f"write the commit on {self._branch_name}"):
            self._door.pfs.add_file_set(commit=opened.commit, file_set_id=file_set)
            annotation = self._annotation(tree_of(self._door, opened.commit, "read the new tree"), sizes)
            replace = annotating.EditReplace(replacement=annotation.encoded())
            edit = annotating.Edit(commit=opened.commit.as_picker(), replace=replace)
            self._door.metadata.edit_metadata(edits=[edit])
            self._door.pfs.finish_commit(commit=opened.commit, description=annotation.message or NO_MESSAGE)
        return self._finished(opened.commit)

    def _finished(self, message: pfs.Commit) -> Commit:
        info = finished(self._door, message, f"wait for the commit on {self._branch_name}")
        if info.error:
            raise RefusedError(
                f"Pachyderm found a fault in the commit on {self._branch_name}: {info.error}.",
                instruction="Correct the files and run again; nothing has been committed.",
                details=info.error,
            )
        return self._repo.store.commits.of(info)

    def _landed(self, message: pfs.Commit, error: BaseException) -> Commit | None:
        """The commit, if it was finished although the answer was lost."""
        if not isinstance(error, StoreUnreachableError):
            return None
        try:
            with self._door.asking(f"read commit {message.id}"):
                info = self._door.pfs.inspect_commit(commit=message)
            return None if is_open(info) else self._finished(message)
        except DatasetError:
            return None

    def _annotation(self, tree: str, sizes: Mapping[str, int]) -> Annotation:
        reads = tuple(Provenance(view.repo, ref, view.id) for ref, view in sorted(self._pinned.items()))
        return Annotation(
            branch=self.branch,
            base=self._base.id if self._base else "",
            tree=tree,
            files=len(sizes),
            size=sum(sizes.values()),
            metadata=self.metadata,
            reads=reads,
            **self._facts,
        )
