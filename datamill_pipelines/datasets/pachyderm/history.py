"""Commits as Pachyderm tells them, and which of them count.

Pachyderm shows commits that are still open, and makes up an empty first commit for a branch whose only commit was
dropped. Neither is a state that anyone wrote, so neither is a commit here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pachyderm_sdk.api import pfs

from datamill_pipelines.datasets.commits import Commit, Provenance
from datamill_pipelines.datasets.errors import NotFoundError
from datamill_pipelines.datasets.nodes import NodeRef
from datamill_pipelines.datasets.pachyderm.annotations import Annotation, annotation_of
from datamill_pipelines.datasets.pachyderm.names import repo_name
from datamill_pipelines.datasets.pachyderm.views import EMPTY_TREE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_pipelines.datasets.pachyderm.door import Door

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""What the SDK gives for a time that is not set."""


def is_open(info: pfs.CommitInfo) -> bool:
    """Whether somebody may still write into it."""
    return bool(info.finishing == EPOCH)


def is_made_up(info: pfs.CommitInfo) -> bool:
    """Whether it is the empty commit that Pachyderm invents so that a branch has a head."""
    return bool(
        info.origin.kind == pfs.OriginKind.AUTO
        and not parent_id(info)
        and not info.direct_provenance
        and info.finished == info.started
    )


def parent_id(info: pfs.CommitInfo) -> str:
    """Id of the parent; ``""`` when there is none."""
    return str(info.parent_commit.id) if info.parent_commit else ""


def finished(door: Door, message: pfs.Commit, what: str) -> pfs.CommitInfo:
    """The commit once the server's workers are done with it, which takes a second or so.

    Args:
        door: the server.
        message: a commit that is no longer open.
        what: e.g. ``"wait for raw/flights@ab12"``.

    Raises:
        StoreUnreachableError: the budget of waiting is over.
    """
    with door.asking(what):
        return door.pfs.inspect_commit(commit=message, wait=pfs.CommitState.FINISHED)


def commits_back(door: Door, start: pfs.Commit, what: str, limit: int = 0) -> Iterator[pfs.CommitInfo]:
    """Infos from ``start`` back along the first parents: those that count.

    Args:
        door: the server.
        start: with an id, or a branch for its head.
        what: e.g. ``"list the commits of raw/flights"``.
        limit: how many commits the server shall look at; 0 for all.
    """
    with door.asking(what):
        for info in door.pfs.list_commit(repo=start.repo, to=start, number=limit):
            if not is_open(info) and not is_made_up(info):
                yield info


class Commits:
    """Makes Data Mill's commits of Pachyderm's.

    Args:
        door: the server.
    """

    def __init__(self, door: Door) -> None:
        self._door = door

    def of(self, info: pfs.CommitInfo) -> Commit:
        """The commit. Of one that Data Mill did not write, files and tree are asked for.

        Raises:
            FormatError: its annotation is damaged.
        """
        name = repo_name(info.commit.repo)
        ref = f"{name}@{info.commit.id}"
        if info.finished == EPOCH:
            info = finished(self._door, info.commit, f"wait until {ref} is finished")
        said = annotation_of(info.metadata, ref) or self._observed(info, ref)
        # Squashing gives a commit another parent; only whether there is one that counts is taken from what was said.
        parents = (parent_id(info),) if said.base and parent_id(info) else ()
        return Commit(
            id=info.commit.id,
            repo=name,
            branch=said.branch,
            parents=parents,
            provenance=provenance_of(info, said),
            positions={},
            advanced=(),
            tree=said.tree,
            files=said.files,
            size=said.size,
            run_id=said.run_id,
            code_version=said.code_version,
            author=said.author or info.created_by,
            message=said.message,
            metadata=said.metadata,
            created_at=info.finishing,
            root=NodeRef("", said.tree, said.files, said.size, ""),
            parents_at=(),
            at="",
        )

    def _observed(self, info: pfs.CommitInfo, ref: str) -> Annotation:
        files = size = 0
        tree = EMPTY_TREE
        base = ""
        with self._door.asking(f"read {ref}"):
            if parent_id(info) and not is_made_up(self._door.pfs.inspect_commit(commit=info.parent_commit)):
                base = parent_id(info)
            for each in self._door.pfs.walk_file(file=pfs.File(commit=info.commit, path="/")):
                if each.file.path == "/":
                    tree, size = each.hash.hex(), each.size_bytes
                files += each.file_type == pfs.FileType.FILE
        branch = info.commit.branch.name if info.commit.branch else ""
        return Annotation(branch=branch or "", base=base, tree=tree, files=files, size=size, message=info.description)


def provenance_of(info: pfs.CommitInfo, said: Annotation) -> tuple[Provenance, ...]:
    """What Pachyderm has as direct provenance, and what it has no place for (reads of the same repo)."""
    known = {(each.repo, each.commit): each for each in said.reads}
    for message in info.direct_provenance:
        name = repo_name(message.repo)
        known.setdefault((name, message.id), Provenance(name, f"{name}@{message.id}", message.id))
    return tuple(sorted(known.values(), key=lambda each: (each.ref, each.commit)))


def tree_of(door: Door, message: pfs.Commit, what: str) -> str:
    """Digest of the tree of a commit, open ones too."""
    try:
        with door.asking(what):
            info: Any = door.pfs.inspect_file(file=pfs.File(commit=message, path="/"))
    except NotFoundError:
        return EMPTY_TREE
    return str(info.hash.hex())
