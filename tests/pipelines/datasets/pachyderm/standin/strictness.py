"""Nothing is guessed: a field or a message that the stand-in does not model is refused, never ignored."""

from __future__ import annotations

import dataclasses

import betterproto
from grpc import StatusCode
from pipelines.datasets.pachyderm.standin.state import BranchKey, CommitKey, RefusedError, RepoKey


def unknown(what: str) -> RefusedError:
    return RefusedError(f"the stand-in does not know {what}", StatusCode.UNIMPLEMENTED)


def only(message: betterproto.Message, *known: str) -> None:
    """Refuse fields that are set and not named here, and bytes that no field of the message's type has read."""
    name = type(message).__name__
    if message._unknown_fields:
        raise unknown(f"fields of {name} beyond the SDK's own")
    for field in dataclasses.fields(message):
        if field.name not in known and is_set(message, field.name):
            raise unknown(f"{name}.{field.name}")


def is_set(message: betterproto.Message, name: str) -> bool:
    group = message._betterproto.oneof_group_by_field.get(name)
    if group is not None:
        return betterproto.which_one_of(message, group)[0] == name
    value = getattr(message, name)
    if isinstance(value, betterproto.Message):
        return betterproto.serialized_on_wire(value)
    return bool(value) and value != message._get_field_default(name)


def repo_key(repo: betterproto.Message) -> RepoKey:
    only(repo, "name", "type", "project")
    if repo.type != "user":
        raise unknown(f"repos of type {repo.type!r}")
    only(repo.project, "name")
    return (repo.project.name, repo.name)


def branch_key(branch: betterproto.Message) -> BranchKey:
    only(branch, "repo", "name")
    return BranchKey(repo_key(branch.repo), branch.name)


def commit_key(commit: betterproto.Message) -> CommitKey:
    """Of a commit that is named by id."""
    only(commit, "repo", "id")
    if not commit.id:
        raise unknown("this request with a commit that has no id")
    return CommitKey(repo_key(commit.repo), commit.id)


def picked(picker: betterproto.Message) -> CommitKey:
    """Of a commit picker that picks by id."""
    only(picker, "id")
    only(picker.id, "repo", "id")
    return CommitKey(picked_repo(picker.id.repo), picker.id.id)


def picked_branch(picker: betterproto.Message) -> BranchKey:
    """Of a branch picker that picks by name."""
    only(picker, "name")
    only(picker.name, "repo", "name")
    return BranchKey(picked_repo(picker.name.repo), picker.name.name)


def picked_repo(picker: betterproto.Message) -> RepoKey:
    """Of a repo picker that picks by name."""
    only(picker, "name")
    name = picker.name
    only(name, "project", "name", "type")
    if name.type != "user":
        raise unknown(f"repos of type {name.type!r}")
    only(name.project, "name")
    return (name.project.name, name.name)
