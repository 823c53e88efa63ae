"""The stand-in's memory as messages of the SDK."""

from __future__ import annotations

from pachyderm_sdk.api import pfs
from pipelines.datasets.pachyderm.standin.state import (
    BranchKey,
    BranchState,
    CommitKey,
    CommitState,
    Entry,
    RepoKey,
    RepoState,
    State,
)


def repo(key: RepoKey) -> pfs.Repo:
    return pfs.Repo(name=key[1], type="user", project=pfs.Project(name=key[0]))


def branch(key: BranchKey) -> pfs.Branch:
    return pfs.Branch(repo=repo(key.repo), name=key.name)


def commit(key: CommitKey) -> pfs.Commit:
    return pfs.Commit(repo=repo(key.repo), id=key.id)


def repo_info(state: State, known: RepoState) -> pfs.RepoInfo:
    return pfs.RepoInfo(
        repo=repo(known.key),
        created=known.created,
        description=known.description,
        branches=[branch(key) for key in state.branches if key.repo == known.key],
        details=pfs.RepoInfoDetails(),
    )


def branch_info(state: State, known: BranchState) -> pfs.BranchInfo:
    return pfs.BranchInfo(
        branch=branch(known.key),
        head=commit(known.head),
        provenance=[branch(key) for key in sorted(state.full_provenance(known.key), key=str)],
        direct_provenance=[branch(key) for key in known.provenance],
        created_at=known.created,
        metadata=known.metadata,
        branch_propagation_specs=[
            pfs.BranchPropagationSpec(branch=branch(key), propagation_spec=pfs.PropagationSpec(never=True))
            for key in sorted(known.never, key=str)
        ],
    )


def commit_info(state: State, known: CommitState) -> pfs.CommitInfo:
    info = pfs.CommitInfo(
        commit=commit(known.key),
        origin=pfs.CommitOrigin(kind=pfs.OriginKind(known.origin)),
        description=known.description,
        child_commits=[commit(key) for key in state.children(known.key)],
        started=known.started,
        direct_provenance=[commit(key) for key in known.provenance],
        error=known.error,
        metadata=known.metadata,
        created_at=known.started,
        updated_at=known.updated,
    )
    if known.parent:
        info.parent_commit = commit(known.parent)
    if known.finishing:
        info.finishing = known.finishing
    if known.finished:
        info.finished = known.finished
    return info


def file_info(of: pfs.Commit, entry: Entry) -> pfs.FileInfo:
    return pfs.FileInfo(
        file=pfs.File(commit=of, path=entry.path),
        file_type=pfs.FileType.DIR if entry.directory else pfs.FileType.FILE,
        size_bytes=entry.size,
        hash=entry.hash,
    )
