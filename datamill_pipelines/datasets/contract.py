"""The core contract: what every provider of versioned datasets does, and the promises that only some keep.

A provider (the native store, Pachyderm) has these four parts. Whatever holds for all of them is in
``tests/pipelines/datasets/contract/``, which runs against each. A stronger promise has a name; a provider lists those
that it keeps in ``promises`` and refuses everything else with :class:`UnsupportedError`, before anything is written.

The protocols are structural: a provider need not inherit from them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, BinaryIO, Protocol

from datamill_pipelines.datasets.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa


class Promise(StrEnum):
    """Something that only some providers promise."""

    FENCING = "fencing"
    """Source positions are in the commit, and a batch that does not continue them is discarded."""
    TAGS = "tags"
    MERGE = "merge"
    """Three-way merge of branches at file level."""
    GC = "gc"
    """Garbage collection by command. (A server may collect by itself.)"""
    TRANSFER = "transfer"
    """``push`` and ``pull`` of repos between stores."""
    IN_PLACE = "in-place"
    """Files have addresses that engines (Spark, DuckDB) read without going through the store."""
    LOGICAL_DIGESTS = "logical-digests"
    """Tables have a digest of schema and rows beside that of their bytes."""


class UnsupportedError(DatasetError, NotImplementedError):
    """The provider does not make this promise. Nothing was written."""


class CommitLike(Protocol):
    """An immutable state of a repo."""

    @property
    def id(self) -> str:
        """Unique within the repo."""

    @property
    def repo(self) -> str:
        """Name of the repo."""

    @property
    def branch(self) -> str:
        """The branch it was made on."""

    @property
    def parents(self) -> Sequence[str]:
        """Ids of the commits it follows; none for the first."""

    @property
    def message(self) -> str:
        """What the author says."""

    @property
    def author(self) -> str:
        """Who."""

    @property
    def run_id(self) -> str:
        """The run that made it."""

    @property
    def code_version(self) -> str:
        """The code that made it."""

    @property
    def created_at(self) -> datetime:
        """When, with a time zone."""


class FileLike(Protocol):
    """One file of a commit."""

    @property
    def path(self) -> str:
        """Relative, ``/`` between segments."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def digest(self) -> str:
        """Equal for equal bytes, within one provider."""


class CommitView(Protocol):
    """Reading one commit."""

    @property
    def repo(self) -> str:
        """Name of the repo."""

    @property
    def id(self) -> str:
        """Of the commit."""

    @property
    def tree_digest(self) -> str:
        """Equal for equal paths and bytes, within one provider."""

    @property
    def commit(self) -> CommitLike:
        """Its record."""

    def files(self, prefix: str = "") -> Iterator[FileLike]:
        """In order of their paths."""

    def read_bytes(self, path: str) -> bytes:
        """One file.

        Raises:
            NotFoundError: there is none.
        """

    def open(self, path: str) -> BinaryIO:
        """One file, to be read piece by piece."""

    def table(self, prefix: str = "", columns: Sequence[str] | None = None) -> pa.Table:
        """The Parquet files below a prefix, one after the other."""


class Transaction(Protocol):
    """What becomes one commit when its ``with`` block ends without an exception, and nothing otherwise."""

    @property
    def commit(self) -> CommitLike | None:
        """After the block: the commit, or ``None`` when nothing had changed."""

    @property
    def head(self) -> CommitView | None:
        """The state it starts from; ``None`` on a new branch."""

    def put(self, path: str, data: bytes | Path | BinaryIO) -> str | None:
        """Write a file, replacing one of the same path. Returns its digest, where the provider has digests."""

    def keep(self, path: str, digest: str) -> bool:
        """Instead of :meth:`put`, where the digest it would return is known: whether the branch has that file there."""

    def put_table(self, path: str, table: pa.Table, sort_by: Sequence[str] = ()) -> object:
        """Write a table as Parquet, through the one canonical writer."""

    def delete(self, path: str) -> object:
        """Delete a file."""

    def delete_prefix(self, prefix: str) -> object:
        """Delete every file below a prefix."""

    def read(self, ref: str) -> CommitView:
        """Read another commit; it becomes provenance. A branch is pinned to a commit at first touch."""


class Repo(Protocol):
    """One repo."""

    @property
    def name(self) -> str:
        """E.g. ``raw/flights``."""

    def commit(
        self,
        branch: str = "main",
        *,
        message: str = "",
        author: str = "",
        run_id: str = "",
        code_version: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[Transaction]:
        """Begin a transaction on a branch, which is created if there is none."""

    def create_branch(self, name: str, ref: str) -> object:
        """A branch at an existing commit, without copying."""

    def delete_branch(self, name: str) -> object:
        """Forget a branch; its commits stay."""

    def rollback(self, branch: str, to: str) -> object:
        """Make an earlier commit the head."""


class DatasetStore(Protocol):
    """All repos of one place."""

    promises: frozenset[Promise]

    def create_repo(self, name: str, description: str = "") -> Repo:
        """A new repo.

        Raises:
            ExistsError: the name is taken.
        """

    def repo(self, name: str) -> Repo:
        """An existing repo.

        Raises:
            NotFoundError: there is none.
        """

    def commit_view(self, ref: str) -> CommitView:
        """``repo@branch``, ``repo@commit``, ``repo@commit-prefix``, ``repo@branch~1``."""
