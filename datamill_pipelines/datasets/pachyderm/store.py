"""The store: every repo of a Pachyderm server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn, Self, cast

from datamill_pipelines.datasets.contract import Promise, UnsupportedError
from datamill_pipelines.datasets.errors import ExistsError, NotFoundError, UnknownRepoError
from datamill_pipelines.datasets.fsck import Checked, Problem
from datamill_pipelines.datasets.pachyderm.history import Commits
from datamill_pipelines.datasets.pachyderm.names import DEFAULT_PROJECT, repo_message, repo_name
from datamill_pipelines.datasets.pachyderm.repos import PachydermRepo
from datamill_pipelines.datasets.refs import parse_ref
from datamill_pipelines.datasets.sql import query

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import pyarrow as pa
    from pachyderm_sdk.api import pfs

    from datamill_pipelines.datasets.pachyderm.door import Door
    from datamill_pipelines.datasets.pachyderm.views import PachydermView
    from datamill_pipelines.datasets.store import DatasetStore


class PachydermStore:
    """Versioned datasets in Pachyderm. Use :func:`~datamill_pipelines.datasets.open_store` to get one.

    Args:
        door: the server.
        clock: monotonic, in seconds.
        sleep: waits, in seconds.

    Attributes:
        door: the server.
        commits: makes commits of the server's.
        promises: what this provider promises beyond the core contract.

    Raises:
        StoreUnreachableError: nothing answers.
        AccessError: the token is not accepted.
    """

    promises = frozenset({Promise.LOGICAL_DIGESTS})

    def __init__(
        self, door: Door, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.door, self.clock, self.sleep = door, clock, sleep
        self.commits = Commits(door)
        with door.asking("list its projects"):
            list(door.pfs.list_project())

    @property
    def url(self) -> str:
        """The server's address, without secrets."""
        return self.door.url

    def create_repo(self, name: str, description: str = "", *, exist_ok: bool = False) -> PachydermRepo:
        """Make a repo, and its project where there is none.

        Args:
            name: ``project/repo``, or ``repo`` in the project ``default``.
            description: one sentence.
            exist_ok: take the one that is there.

        Raises:
            ExistsError: there is one.
        """
        repo = repo_message(name)
        if repo.project.name != DEFAULT_PROJECT:
            self._make_project(repo.project)
        try:
            with self.door.asking(f"create the repo {name}"):
                self.door.pfs.create_repo(repo=repo, description=description)
        except ExistsError:
            if not exist_ok:
                raise ExistsError(
                    f"There is a repo {name} already.", instruction="Choose another name, or use that one."
                ) from None
        return self.repo(name)

    def repo(self, name: str) -> PachydermRepo:
        """A repo.

        Raises:
            UnknownRepoError: there is none of that name; the nearest is offered.
        """
        message = repo_message(name)
        try:
            with self.door.asking(f"read the repo {name}"):
                info = self.door.pfs.inspect_repo(repo=message)
        except NotFoundError:
            raise UnknownRepoError("repo", name, self.repos()) from None
        return PachydermRepo(self, repo_name(info.repo), info.description)

    def repos(self) -> list[str]:
        """The repos' names, sorted. Those that belong to Pachyderm's pipelines (``meta``, ``spec``) are left out."""
        with self.door.asking("list the repos"):
            return sorted(repo_name(info.repo) for info in self.door.pfs.list_repo(type="user"))

    def commit_view(self, ref: str) -> PachydermView:
        """The files of the commit that ``ref`` names: ``raw/flights@main``, ``@<id>``, ``@main~1``."""
        parsed = parse_ref(ref)
        return self.repo(parsed.repo).view_of_ref(parsed)

    def sql(self, statement: str) -> pa.Table:
        """Run a query whose tables are commits: ``select count(*) from 'raw/flights@main'``."""
        return query(cast("DatasetStore", self), statement)

    def fsck(self, *, repair_from: object = None) -> Checked:
        """What Pachyderm's own check finds: faults in the graph of branches and commits.

        The files' bytes are not read: the server checks the digest of every piece it reads, whenever it reads it.

        Raises:
            UnsupportedError: it shall be repaired from another store.
        """
        if repair_from is not None:
            raise UnsupportedError(
                "Pachyderm keeps files in pieces of its own, so it cannot be repaired from another store.",
                instruction="Repair it with `pachctl fsck --fix`, or restore a backup of its database and bucket.",
            )
        found = Checked()
        with self.door.asking("check itself"):
            faults = [str(answer.error) for answer in self.door.pfs.fsck() if answer.error]
        for number, fault in enumerate(faults, start=1):
            found.problems[f"fault {number}"] = Problem(f"fault {number}", "damaged", fault)
        return found

    def gc(self, *_: object, **__: object) -> NoReturn:
        """Not with Pachyderm.

        Raises:
            UnsupportedError: always.
        """
        raise UnsupportedError(
            "Pachyderm collects what no commit refers to by itself; it has no command for it.",
            instruction="Free space by deleting commits that are not needed: pachctl squash commit REPO@COMMIT",
        )

    def close(self) -> None:
        """End the connection."""
        self.door.close()

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _make_project(self, project: pfs.Project) -> None:
        try:
            with self.door.asking(f"create the project {project.name}"):
                self.door.pfs.create_project(project=project)
        except ExistsError:
            return
