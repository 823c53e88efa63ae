"""A commit's files, read from Pachyderm."""

from __future__ import annotations

import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3
from pachyderm_sdk.api import pfs

from datamill_pipelines.datasets.contract import UnsupportedError
from datamill_pipelines.datasets.errors import NotFoundError
from datamill_pipelines.datasets.framing import digest_of
from datamill_pipelines.datasets.logical import logical_digest
from datamill_pipelines.datasets.names import is_reserved
from datamill_pipelines.datasets.pachyderm.names import data_mill_path, pachyderm_path
from datamill_pipelines.datasets.pachyderm.remote import READ_AHEAD, RemoteFile
from datamill_pipelines.datasets.tables import TABLE_EXTENSIONS, read_parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from datamill_pipelines.datasets.commits import Commit, Provenance
    from datamill_pipelines.datasets.nodes import Schema
    from datamill_pipelines.datasets.pachyderm.door import Door

EMPTY_TREE = blake2b(digest_size=32).hexdigest()
"""Digest of the tree without files, for which the server has none."""

PARALLEL_READS = 4
"""Files read at a time. More does not help: one server process unpacks and sends them."""


class PachydermFile:
    """One file of a commit. What Pachyderm does not know is read from the file itself when it is asked for.

    Attributes:
        path: relative.
        size: bytes.
        digest: Pachyderm's own hash, hexadecimal: equal for equal bytes on any Pachyderm server.
    """

    def __init__(self, view: PachydermView, path: str, size: int, digest: str) -> None:
        self._view, self.path, self.size, self.digest = view, path, size, digest

    @property
    def is_table(self) -> bool:
        """Whether its name is that of a table."""
        return any(self.path.endswith(extension) for extension in TABLE_EXTENSIONS)

    @cached_property
    def _footer(self) -> pq.FileMetaData | None:
        return pq.read_metadata(self._view.open(self.path)) if self.is_table else None

    @property
    def rows(self) -> int | None:
        """From the file's footer; ``None`` when it is not a table."""
        return None if self._footer is None else int(self._footer.num_rows)

    @property
    def schema(self) -> Schema | None:
        """From the file's footer: columns as (name, type, nullable); ``None`` when it is not a table."""
        if self._footer is None:
            return None
        return tuple((f.name, str(f.type), f.nullable) for f in self._footer.schema.to_arrow_schema())

    @cached_property
    def logical_digest(self) -> str | None:
        """Digest of schema and sorted rows, from the whole file; ``None`` when it is not a table."""
        return logical_digest(read_parquet(self._view.read_bytes(self.path))) if self.is_table else None

    def __eq__(self, other: object) -> bool:
        """Same path and bytes."""
        if not isinstance(other, PachydermFile):
            return NotImplemented
        return (self.path, self.size, self.digest) == (other.path, other.size, other.digest)

    def __hash__(self) -> int:
        """Of path and bytes."""
        return hash((self.path, self.digest))

    def __repr__(self) -> str:
        """Path and size."""
        return f"PachydermFile({self.path!r}, {self.size} bytes)"


class PachydermView:
    """The files of one commit.

    Args:
        door: the server.
        commit: the commit.
        message: the same for the server.
        history: commits from one back.
        on_read: told the path or prefix of everything that is read.
        branch: a branch whose head the commit was, if it was asked for by that.
    """

    def __init__(
        self,
        door: Door,
        commit: Commit,
        message: pfs.Commit,
        history: Callable[[str], Iterator[Commit]],
        *,
        on_read: Callable[[str], None] | None = None,
        branch: pfs.Branch | None = None,
    ) -> None:
        self.commit, self.message, self.branch = commit, message, branch
        self._door, self._history = door, history
        self._on_read = on_read or (lambda _: None)

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
        """Equal for equal files, on any Pachyderm server."""
        return self.commit.tree

    @property
    def url(self) -> str:
        """The server's address, without secrets."""
        return self._door.url

    @property
    def provenance(self) -> tuple[Provenance, ...]:
        """What was read to make the commit."""
        return self.commit.provenance

    @property
    def log(self) -> list[Commit]:
        """The commit and its parents, newest first."""
        return list(self._history(self.commit.id))

    @cached_property
    def listing(self) -> dict[str, PachydermFile]:
        """All files, reserved ones too, in path order."""
        return dict(sorted((file.path, file) for file in self._walk()))

    def _walk(self) -> Iterator[PachydermFile]:
        with self._door.asking(f"list the files of {self.commit.ref}"):
            for info in self._door.pfs.walk_file(file=pfs.File(commit=self.message, path="/")):
                if info.file_type == pfs.FileType.FILE:
                    yield PachydermFile(self, data_mill_path(info.file.path), info.size_bytes, info.hash.hex())

    def files(self, prefix: str = "") -> Iterator[PachydermFile]:
        """Files whose path starts with ``prefix``, in path order. Reserved ones only when the prefix asks for them."""
        self._on_read(prefix)
        for path, file in self.listing.items():
            if path.startswith(prefix) and is_reserved(path) <= is_reserved(prefix):
                yield file

    def file(self, path: str) -> PachydermFile:
        """One file.

        Raises:
            NotFoundError: the commit has no such file.
        """
        self._on_read(path)
        try:
            return self.listing[path]
        except KeyError:
            raise NotFoundError(
                f"{self.repo}@{self.commit.short_id} has no file {path}.",
                instruction=f"List its files: datamill data ls {self.repo}@{self.commit.short_id}",
            ) from None

    def __contains__(self, path: str) -> bool:
        """Whether the commit has a file at ``path``."""
        self._on_read(path)
        return path in self.listing

    def read_bytes(self, path: str) -> bytes:
        """The file's bytes.

        Raises:
            NotFoundError: the commit has no such file.
        """
        with self.open(path) as source:
            return source.read()

    def open(self, path: str) -> BinaryIO:
        """The file, opened for reading where it is; seekable."""
        file = self.file(path)
        message = pfs.File(commit=self.message, path=pachyderm_path(path))
        remote = RemoteFile(self._door, message, file.size, f"read {path} of {self.commit.ref}")
        return cast("BinaryIO", io.BufferedReader(remote, READ_AHEAD))

    def download(self, path: str, target: Path) -> None:
        """Write the file to ``target``, which must not exist."""
        with self.open(path) as source, target.open("xb") as copy:
            shutil.copyfileobj(source, copy, READ_AHEAD)

    def table(self, prefix: str = "", columns: Sequence[str] | None = None) -> pa.Table:
        """All Parquet files below ``prefix`` as one table, in path order.

        Columns that only some files have are null in the others.

        Raises:
            NotFoundError: there is no Parquet file.
        """
        with ThreadPoolExecutor(PARALLEL_READS) as pool:
            tables = list(pool.map(lambda file: self._table_of(file, columns), self._tables(prefix)))
        table = pa.concat_tables(tables, promote_options="default")
        return table.select(list(columns)) if columns else table

    def _tables(self, prefix: str) -> list[PachydermFile]:
        files = [file for file in self.files(prefix) if file.is_table]
        if not files:
            raise NotFoundError(
                f"{self.repo}@{self.commit.short_id} has no Parquet file below {prefix!r}.",
                instruction=f"List its files: datamill data ls {self.repo}@{self.commit.short_id}",
            )
        return files

    def _table_of(self, file: PachydermFile, columns: Sequence[str] | None) -> pa.Table:
        table = read_parquet(self.read_bytes(file.path))
        return table.select([name for name in columns if name in table.column_names]) if columns else table

    def parquet_paths(self, prefix: str, scratch: Path) -> list[str]:
        """The tables below ``prefix``, written to files in ``scratch``.

        Raises:
            NotFoundError: there is no Parquet file.
        """
        paths = []
        for file in self._tables(prefix):
            path = scratch / f"{file.digest}.parquet"
            if not path.exists():
                self.download(file.path, path)
            paths.append(str(path))
        return paths

    def uris(self, prefix: str = "", scheme: str | None = None) -> list[str]:
        """Not with Pachyderm: it keeps files in pieces of its own.

        Raises:
            UnsupportedError: always.
        """
        del prefix, scheme
        raise UnsupportedError(
            f"{self.commit.ref} is in Pachyderm, which has no address under which engines could read a file in place.",
            instruction="Read through the store (`view.table()`, `view.open()`), or copy the commit to a directory:"
            f" datamill data checkout {self.repo}@{self.commit.short_id} DIRECTORY",
        )

    def logical_digest(self, prefix: str = "") -> str:
        """Equal for equal content below ``prefix``, in any store and whatever wrote it. Reads the files."""
        lines = []
        for file in self.files(prefix):
            digest = file.logical_digest or blake3(self.read_bytes(file.path)).hexdigest()
            lines.append(f"{file.path}\0{digest}\n")
        return digest_of("".join(lines).encode())

    def subtree_digest(self, prefix: str) -> str:
        """Equal for equal files below ``prefix``, on any Pachyderm server."""
        lines = (f"{file.path[len(prefix) :]}\0{file.digest}\n" for file in self.files(prefix))
        return digest_of("".join(lines).encode())

    def __repr__(self) -> str:
        """Repo and commit."""
        return f"PachydermView({self.repo}@{self.commit.short_id})"
