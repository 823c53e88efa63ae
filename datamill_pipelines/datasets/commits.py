"""Commits: what they say, and their id, which is the digest of what they say."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from datamill_pipelines.datasets.framing import canonical, damaged, digest_of
from datamill_pipelines.datasets.nodes import NodeRef
from datamill_pipelines.datasets.positions import PositionRange
from datamill_pipelines.datasets.records import Head, Record, read_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_pipelines.datasets.framing import Json
    from datamill_pipelines.datasets.objects import ObjectStore


@dataclass(frozen=True)
class Provenance:
    """A commit that was read to make another.

    Attributes:
        repo: its repo.
        ref: what was asked for, e.g. ``raw/flights@main``.
        commit: the id it was pinned to.
    """

    repo: str
    ref: str
    commit: str


@dataclass(frozen=True)
class Commit:
    """An immutable state of a repo, and how it came about.

    Attributes:
        id: digest of everything below, 64 hexadecimal digits.
        repo: the repo.
        branch: the branch it was made on.
        parents: ids; two for a merge, none for a first commit.
        provenance: what was read to make it.
        positions: how far its sources have been read.
        advanced: keys of ``positions`` that moved in this very commit.
        tree: digest of the tree.
        files: in the tree.
        size: bytes of the tree's files.
        run_id: of the orchestrator.
        code_version: of the code that made it.
        author: who made it.
        message: why.
        metadata: anything else; JSON.
        created_at: on the writer's clock, with a time zone.
        root: where the tree is kept (not part of what the commit says).
        parents_at: where the parents' records are kept (neither).
        at: where its own record is kept (neither).
    """

    id: str
    repo: str
    branch: str
    parents: tuple[str, ...]
    provenance: tuple[Provenance, ...]
    positions: Mapping[str, PositionRange]
    advanced: tuple[str, ...]
    tree: str
    files: int
    size: int
    run_id: str
    code_version: str
    author: str
    message: str
    metadata: Mapping[str, Any]
    created_at: datetime
    root: NodeRef = field(compare=False, repr=False)
    parents_at: tuple[str, ...] = field(compare=False, repr=False)
    at: str = field(compare=False, repr=False)

    @property
    def short_id(self) -> str:
        """The first twelve digits."""
        return self.id[:12]

    @property
    def ref(self) -> str:
        """What names this commit from anywhere: ``repo@id``."""
        return f"{self.repo}@{self.id}"

    @property
    def head(self) -> Head:
        """Id and place."""
        return Head(self.id, self.at)


def commit_id(content: Json) -> str:
    """The id of a commit that says ``content``."""
    return digest_of(canonical(content))


def commit_of(record: Record, where: str) -> Commit:
    """The commit in a record.

    Raises:
        DamagedObjectError: the record holds another commit than its id says.
    """
    content: Json = record.content["commit"]
    if commit_id(content) != record.content["id"]:
        raise damaged(record.key, where, f"what it says does not have the id {record.content['id'][:12]}")
    place = record.content["root"]
    return Commit(
        id=record.content["id"],
        repo=content["repo"],
        branch=content["branch"],
        parents=tuple(content["parents"]),
        provenance=tuple(Provenance(**source) for source in content["provenance"]),
        positions={key: PositionRange(*value) for key, value in content["positions"].items()},
        advanced=tuple(content["advanced"]),
        tree=content["tree"],
        files=content["files"],
        size=content["size"],
        run_id=content["run_id"],
        code_version=content["code_version"],
        author=content["author"],
        message=content["message"],
        metadata=content["metadata"],
        created_at=datetime.fromisoformat(content["created_at"]),
        root=NodeRef(
            "",
            content["tree"],
            content["files"],
            content["size"],
            record.key + place if place.startswith(":") else place,
        ),
        parents_at=tuple(record.content["parents_at"]),
        at=record.key,
    )


def load_commit(objects: ObjectStore, head: Head) -> Commit:
    """The commit that ``head`` points to.

    Raises:
        MissingObjectError: its record does not exist.
        DamagedObjectError: its record is not what was written, or holds another commit.
    """
    record = read_record(objects, head.at)
    if record.kind != "commit" or record.content["id"] != head.id:
        raise damaged(head.at, objects.url, f"it does not hold commit {head.id[:12]}")
    return commit_of(record, objects.url)
