"""The store: repos in one object store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast
from urllib.parse import unquote, urlsplit

from datamill_infra.model.errors import ConfigurationError, UnknownNameError
from datamill_pipelines.datasets.commits import load_commit
from datamill_pipelines.datasets.condemned import Collections
from datamill_pipelines.datasets.contract import Promise
from datamill_pipelines.datasets.errors import (
    ExistsError,
    FormatError,
    MissingObjectError,
    UnknownRepoError,
)
from datamill_pipelines.datasets.framing import damaged, new_nonce, pack_record, unpack_record
from datamill_pipelines.datasets.fsck import Checked, check_store
from datamill_pipelines.datasets.gc import GRACE, Swept, collect_garbage
from datamill_pipelines.datasets.names import FORMAT_KEY, check_name, name_of_folder, repo_folder
from datamill_pipelines.datasets.probe import probe_store
from datamill_pipelines.datasets.records import Head
from datamill_pipelines.datasets.refs import parse_ref
from datamill_pipelines.datasets.repair import repair_store
from datamill_pipelines.datasets.repos import Repo
from datamill_pipelines.datasets.sessions import Session
from datamill_pipelines.datasets.sql import query
from datamill_pipelines.datasets.trees import TreeReader

if TYPE_CHECKING:
    from types import TracebackType

    import pyarrow as pa

    from datamill_infra.model.connections import ResolvedConnection
    from datamill_pipelines.datasets.commits import Commit
    from datamill_pipelines.datasets.objects import ObjectStore
    from datamill_pipelines.datasets.views import CommitView

FORMAT = 1
"""The format written and read by this code; docs/formats.md describes it."""


class DatasetStore:
    """Versioned datasets in an object store. Use :func:`open_store` to get one.

    Attributes:
        objects: the door to the bytes.
        tree: loads and caches tree nodes.
        promises: all of them.
        collections: of garbage.
        session: of this process's transactions.
    """

    promises = frozenset(Promise)

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects
        self.tree = TreeReader(objects)
        self.collections = Collections(objects)
        self.session = Session(objects)
        self._repos: dict[str, Repo] = {}
        self._check_format()

    @property
    def url(self) -> str:
        """The store's address, without secrets."""
        return self.objects.url

    def create_repo(self, name: str, description: str = "", *, exist_ok: bool = False) -> Repo:
        """Make a repo.

        Args:
            name: for example ``raw/flights``.
            description: one sentence.
            exist_ok: take the one that is there.

        Raises:
            ExistsError: there is one.
        """
        check_name("repo", name)
        content = {
            "name": name,
            "description": description,
            "created_at": datetime.now(UTC).isoformat(),
            "nonce": new_nonce(),
        }
        if not self.objects.put_new(f"{repo_folder(name)}/repo", pack_record("repo", content)) and not exist_ok:
            raise ExistsError(f"There is a repo {name} already.", instruction="Choose another name, or use that one.")
        return self.repo(name)

    def repo(self, name: str) -> Repo:
        """A repo.

        Raises:
            UnknownRepoError: there is none of that name; the nearest is offered.
        """
        repo = self._repos.get(name)
        if repo is None:
            check_name("repo", name)
            key = f"{repo_folder(name)}/repo"
            try:
                data = self.objects.get(key)
            except MissingObjectError:
                raise UnknownRepoError("repo", name, self.repos()) from None
            content, _ = unpack_record("repo", data, key=key, where=self.url)
            if content["name"] != name:
                raise damaged(key, self.url, f"it describes the repo {content['name']}")
            repo = self._repos[name] = Repo(self, name, content["description"])
        return repo

    def repos(self) -> list[str]:
        """The repos' names, sorted."""
        return [name_of_folder(folder) for folder in self.objects.folders("repos")]

    def commit_view(self, ref: str) -> CommitView:
        """The files of the commit that ``ref`` names: ``raw/flights@main``, ``@tag``, ``@<id>``, ``@main~1``."""
        parsed = parse_ref(ref)
        repo = self.repo(parsed.repo)
        return repo.view(repo.resolve_ref(parsed))

    def sql(self, statement: str) -> pa.Table:
        """Run a query whose tables are commits: ``select count(*) from 'raw/flights@main'``."""
        return query(self, statement)

    def gc(self, *, grace: timedelta = GRACE, dry_run: bool = False) -> Swept:
        """Delete what no branch, tag or provenance reaches any more.

        Args:
            grace: younger objects are spared, and those of writers at work.
            dry_run: only say what would be deleted.
        """
        return collect_garbage(self, grace=grace, dry_run=dry_run)

    def fsck(self, *, repair_from: DatasetStore | None = None) -> Checked:
        """Check every record, tree node and file; name what is damaged, missing or swapped.

        Args:
            repair_from: a store to put it right from.
        """
        return repair_store(self, repair_from) if repair_from is not None else check_store(self)

    def load_commit(self, commit: str, at: str) -> Commit:
        """The commit in the record ``at``."""
        return load_commit(self.objects, Head(commit, at))

    def close(self) -> None:
        """End the session, release connections."""
        self.session.close()
        self.objects.close()

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _check_format(self) -> None:
        """Read the store's format version; a new store gets one, once its conditional writes have been found safe."""
        try:
            data = self.objects.get(FORMAT_KEY)
        except MissingObjectError:
            probe_store(self.objects)
            content = {"format": FORMAT, "store": new_nonce(), "created_at": datetime.now(UTC).isoformat()}
            self.objects.put_new(FORMAT_KEY, pack_record("format", content))
            data = self.objects.get(FORMAT_KEY)
        else:
            probe_store(self.objects)
        content, _ = unpack_record("format", data, key=FORMAT_KEY, where=self.url)
        if content["format"] != FORMAT:
            raise FormatError(
                f"{self.url} is a store of format {content['format']}; this version reads and writes format {FORMAT}.",
                instruction="Use the version of Data Mill that wrote it, or a newer one.",
            )
        self.id = str(content["store"])


def open_store(connection: ResolvedConnection | str) -> DatasetStore:
    """Open the store at an address; a new one is made where there is none.

    Args:
        connection: the ``datasets`` connection (``url`` and, for ``s3://``, the fields of ``s3``), or a ``file://``
        URL. With ``provider: pachyderm`` the url is ``grpc://host:port``, the secret ``token``; that provider refuses
        what its server cannot do with :class:`~datamill_pipelines.datasets.contract.UnsupportedError`.

    Raises:
        ConfigurationError: the address is none of a store, or the provider is not installed.
        UnknownNameError: there is no such provider.
        UnsafeStoreError: the server's conditional writes race.
        FormatError: it is of another format version.
    """
    provider = "native" if isinstance(connection, str) else str(connection.get("provider", "native"))
    if provider == "pachyderm" and not isinstance(connection, str):
        from datamill_pipelines.datasets.pachyderm import open_pachyderm  # noqa: PLC0415 (an extra)

        # The same by contract, not by inheritance; what it has no way to do it refuses by name.
        return cast("DatasetStore", open_pachyderm(connection))
    if provider != "native":
        raise UnknownNameError("provider of datasets", provider, ["native", "pachyderm"])
    return DatasetStore(open_objects(connection))


def open_objects(connection: ResolvedConnection | str) -> ObjectStore:
    """The door to the bytes at an address."""
    from datamill_pipelines.datasets.local import LocalStore  # noqa: PLC0415 (one backend is enough for most processes)

    url = connection if isinstance(connection, str) else connection.text("url")
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path.startswith("/"):
        return LocalStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc and not isinstance(connection, str):
        from datamill_pipelines.datasets.s3 import S3Store  # noqa: PLC0415 (same)

        return S3Store(parts.netloc, parts.path.strip("/"), connection)
    raise ConfigurationError(
        f"{url!r} is not the address of a dataset store.",
        instruction="Use file:///an/absolute/directory, or a connection with url s3://bucket/prefix and the S3 fields.",
    )
