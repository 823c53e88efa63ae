"""A commit's files, read and verified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

import pyarrow as pa

from datamill_pipelines.datasets.blobs import BlobReader, check_file, place_of
from datamill_pipelines.datasets.errors import NotFoundError
from datamill_pipelines.datasets.framing import digest_of
from datamill_pipelines.datasets.names import is_reserved
from datamill_pipelines.datasets.tables import read_parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from datamill_pipelines.datasets.commits import Commit, Provenance
    from datamill_pipelines.datasets.nodes import FileEntry, Schema
    from datamill_pipelines.datasets.objects import ObjectStore
    from datamill_pipelines.datasets.trees import TreeReader


@dataclass(frozen=True)
class FileInfo:
    """One file of a commit.

    Attributes:
        path: relative.
        size: bytes.
        digest: blake3 of the bytes, hexadecimal.
        logical_digest: digest of schema and sorted rows; ``None`` when it is not a table.
        rows: ``None`` when it is not a table.
        schema: columns as (name, type, nullable); ``None`` when it is not a table.
    """

    path: str
    size: int
    digest: str
    logical_digest: str | None
    rows: int | None
    schema: Schema | None


class History(Protocol):
    """What a view asks its repo for."""

    def log(self, ref: str, *, limit: int | None = None) -> Iterator[Commit]:
        """Commits from ``ref`` back."""


class CommitView:
    """The files of one commit. Whatever it returns has been checked against the digests of the tree.

    Args:
        commit: the commit.
        tree: loads its tree.
        history: its repo.
        on_read: told the path or prefix of everything that is read.
    """

    def __init__(
        self, commit: Commit, tree: TreeReader, history: History, on_read: Callable[[str], None] | None = None
    ) -> None:
        self.commit = commit
        self._tree = tree
        self._blobs = BlobReader(tree.objects)
        self._history = history
        self._on_read = on_read or (lambda _: None)

    @property
    def objects(self) -> ObjectStore:
        """Where the bytes are kept."""
        return self._tree.objects

    @property
    def repo(self) -> str:
        """The repo's name."""
        return self.commit.repo

    @property
    def id(self) -> str:
        """The commit's id."""
        return self.commit.id

    @property
    def tree_digest(self) -> str:
        """Equal for equal files, in any store. Dagster's data version of the whole dataset."""
        return self.commit.tree

    @property
    def url(self) -> str:
        """The store's address, without secrets."""
        return self.objects.url

    @property
    def provenance(self) -> tuple[Provenance, ...]:
        """What was read to make the commit."""
        return self.commit.provenance

    @property
    def log(self) -> list[Commit]:
        """The commit and its first parents, newest first."""
        return list(self._history.log(self.commit.id))

    def files(self, prefix: str = "") -> Iterator[FileInfo]:
        """Files whose path starts with ``prefix``, in path order. Reserved ones only when the prefix asks for them."""
        for entry in self.entries(prefix):
            yield FileInfo(*entry[:6])

    def entries(self, prefix: str = "") -> Iterator[FileEntry]:
        """The same, as kept in the tree."""
        self._on_read(prefix)
        for entry in self._tree.walk(self.commit.root, prefix):
            if is_reserved(entry.path) <= is_reserved(prefix):
                yield entry

    def file(self, path: str) -> FileInfo:
        """One file.

        Raises:
            NotFoundError: the commit has no such file.
        """
        return FileInfo(*self.entry(path)[:6])

    def entry(self, path: str) -> FileEntry:
        """One file, as kept in the tree."""
        self._on_read(path)
        entry = self._tree.find(self.commit.root, path)
        if entry is None:
            raise NotFoundError(
                f"{self.repo}@{self.commit.short_id} has no file {path}.",
                instruction=f"List its files: datamill data ls {self.repo}@{self.commit.short_id}",
            )
        return entry

    def __contains__(self, path: str) -> bool:
        """Whether the commit has a file at ``path``."""
        self._on_read(path)
        return self._tree.find(self.commit.root, path) is not None

    def read_bytes(self, path: str) -> bytes:
        """The file's bytes.

        Raises:
            NotFoundError: the commit has no such file.
            MissingObjectError: its bytes are gone from the store.
            DamagedObjectError: its bytes are not what was committed.
        """
        return self._blobs.read(self.entry(path))

    def open(self, path: str) -> BinaryIO:
        """The file, opened for reading; checked first."""
        return self._blobs.open(self.entry(path))

    def table(self, prefix: str = "", columns: Sequence[str] | None = None) -> pa.Table:
        """All Parquet files below ``prefix`` as one table, in path order.

        Columns that only some files have are null in the others.

        Raises:
            NotFoundError: there is no Parquet file.
        """
        entries = [entry for entry in self.entries(prefix) if entry.rows is not None]
        if not entries:
            raise NotFoundError(
                f"{self.repo}@{self.commit.short_id} has no Parquet file below {prefix!r}.",
                instruction=f"List its files: datamill data ls {self.repo}@{self.commit.short_id}",
            )
        tables = []
        for entry, data in self._blobs.read_each(entries):
            present = columns and [name for name in columns if any(name == c[0] for c in entry.schema or ())]
            tables.append(read_parquet(data, present if columns else None))
        table = pa.concat_tables(tables, promote_options="default")
        return table.select(list(columns)) if columns else table

    def parquet_paths(self, prefix: str, scratch: Path) -> list[str]:
        """Local files with the tables below ``prefix``, checked; those that are not on this machine go to ``scratch``.

        Raises:
            NotFoundError: there is no Parquet file.
        """
        entries = [entry for entry in self.entries(prefix) if entry.rows is not None]
        if not entries:
            raise NotFoundError(
                f"{self.repo}@{self.commit.short_id} has no Parquet file below {prefix!r}.",
                instruction=f"List its files: datamill data ls {self.repo}@{self.commit.short_id}",
            )
        paths = []
        for entry in entries:
            key, _ = place_of(entry)
            path = self.objects.local_path(key)
            if path is not None and path.exists():
                check_file(path, entry, key, self.objects.url)
            else:
                path = scratch / f"{entry.digest}.parquet"
                if not path.exists():
                    self._blobs.download(entry, path)
            paths.append(str(path))
        return paths

    def uris(self, prefix: str = "", scheme: str | None = None) -> list[str]:
        """Addresses of the files' bytes for an engine, in path order: paths, or ``s3a://`` (``scheme`` for others).

        Small files that were packed are written out once, as objects of their own.
        """
        return self._blobs.addresses(list(self.entries(prefix)), scheme)

    def logical_digest(self, prefix: str = "") -> str:
        """Equal for equal content below ``prefix``, whatever wrote it.

        Made of the logical digests of tables and the byte digests of the rest.
        """
        lines = (f"{entry.path}\0{entry.logical or entry.digest}\n" for entry in self.entries(prefix))
        return digest_of("".join(lines).encode())

    def subtree_digest(self, prefix: str) -> str:
        """Equal for equal files below ``prefix``: Dagster's data version of a partition."""
        lines = (
            f"{entry.path[len(prefix) :]}\0{entry.digest}\0{entry.logical or ''}\n" for entry in self.entries(prefix)
        )
        return digest_of("".join(lines).encode())

    def __repr__(self) -> str:
        """Repo and commit."""
        return f"CommitView({self.repo}@{self.commit.short_id})"
