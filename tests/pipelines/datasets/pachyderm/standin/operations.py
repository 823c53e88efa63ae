"""The stand-in's operations that change something, each all or nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from grpc import StatusCode
from pipelines.datasets.pachyderm.standin.state import (
    AUTO,
    PROJECT_NAME_LIMIT,
    USER,
    UUID_V4,
    BranchKey,
    BranchState,
    CommitKey,
    CommitState,
    RefusedError,
    RepoKey,
    RepoState,
    State,
    check_name,
    commit_set_id,
    not_found,
    now,
)

SETTLING_CALLS = 3
"""A finishing commit is not finished at once: so many calls later, or when somebody waits for it."""


class Operations:
    """One transaction on a state: branches that were touched are propagated and checked at its end."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.id = commit_set_id()
        self.propagate: list[BranchKey] = []
        self.validate: list[BranchKey] = []

    def create_project(self, name: str, description: str) -> None:
        check_project(name)
        if name in self.state.projects:
            raise RefusedError(
                f'project "{name}" already exists\nproject {name} already exists', StatusCode.ALREADY_EXISTS
            )
        self.state.projects[name] = description

    def create_repo(self, key: RepoKey, description: str) -> None:
        check_name(key[1])
        if key[0] not in self.state.projects:
            raise not_found(f'cannot find project "{key[0]}": get project by name: project "{key[0]}" not found')
        if key in self.state.repos:
            raise RefusedError(f"repo {key[0]}/{key[1]} already exists", StatusCode.ALREADY_EXISTS)
        self.state.repos[key] = RepoState(key, description, now(), self.state.number())

    def start_commit(self, branch: BranchKey, description: str) -> CommitState:
        state = self.state
        if branch.repo not in state.repos:
            raise not_found(f"start commit in transaction: repo {branch.repo[0]}/{branch.repo[1]} not found")
        check_name(branch.name)
        known = state.branches.get(branch)
        if known is not None and state.commits[known.head].finishing is None:
            raise RefusedError(
                f"start commit in transaction: create commit: parent commit {known.head} has not been finished"
            )
        if known is not None and known.provenance:
            raise RefusedError(f"start commit in transaction: cannot start a commit on an output branch: {branch}")
        commit = self._new_commit(branch, USER, known.head if known else None, (), closed=False)
        commit.description = description
        self._move(branch, commit.key)
        self.propagate.append(branch)
        return commit

    def finish_commit(self, key: CommitKey, description: str) -> None:
        commit = self.state.commit(key.repo, key.id, "")
        if commit.finishing:
            raise RefusedError(f"commit {commit.key} has already finished")
        if description:
            commit.description = description
        commit.finishing = commit.updated = now()
        commit.settles = self.state.ticks + SETTLING_CALLS

    def drop_commit(self, key: CommitKey) -> None:
        state = self.state
        commit = state.commit(key.repo, key.id, "")
        if state.subvenance(key):
            raise RefusedError(f"cannot drop commit ({key}) with subvenance without recursive")
        if state.children(key):
            raise RefusedError(f"cannot drop a commit that has children: {key}")
        for branch in state.branches.values():
            if branch.head == key:
                # A branch always has a head; the server makes an empty one up.
                parent = commit.parent
                if parent is None:
                    parent = Operations(state)._new_commit(branch.key, AUTO, None, (), closed=True).key
                branch.head = parent
        del state.commits[key]

    def add_file_set(self, key: CommitKey, file_set_id: str) -> None:
        if file_set_id not in self.state.file_sets:
            raise RefusedError(f"file set {file_set_id} does not exist")
        commit = self.state.commit(key.repo, key.id, "")
        if commit.finishing:
            raise RefusedError(f"commit {commit.key} has already finished")
        commit.file_sets.append(self.state.file_sets[file_set_id])
        commit.updated = now()

    def edit_metadata(self, key: CommitKey, replacement: dict[str, str]) -> None:
        commit = self.state.commit(key.repo, key.id, "")
        commit.metadata = dict(replacement)
        commit.updated = now()

    def edit_branch_metadata(self, key: BranchKey, name: str, value: str) -> None:
        self.state.branch(key).metadata[name] = value

    def create_branch(
        self,
        branch: BranchKey,
        head: CommitKey | None,
        provenance: Sequence[BranchKey],
        never: frozenset[BranchKey],
    ) -> None:
        state = self.state
        for each in (*provenance, branch):
            check_name(each.name)
        state.repo(branch.repo)
        for each in provenance:
            if each not in state.branches:
                raise RefusedError(f"the stand-in does not invent the missing branch {each}")
        if never - set(provenance):
            raise RefusedError("branch propagation spec must reference provenant branch")
        if any(each.repo == branch.repo for each in provenance):
            raise RefusedError(f"repo {branch.repo[0]}/{branch.repo[1]} cannot be in the provenance of its own branch")
        if UUID_V4.match(branch.name):
            raise RefusedError("create branch: update head: branch name cannot be a UUID V4")
        if head is not None:
            state.commit(head.repo, head.id, "")
        known = state.branches.get(branch)
        before = known.provenance if known else ()
        at = head or (known.head if known else None)
        changed = bool(provenance) and set(provenance) != set(before)
        if at is None or changed:
            upstream = tuple(state.branches[each].head for each in provenance)
            at = self._new_commit(branch, AUTO, at, upstream, closed=not provenance).key
            self.propagate.append(branch)
        elif head is not None:
            self.propagate.append(branch)
        self._move(branch, at)
        state.branches[branch].provenance = tuple(provenance)
        state.branches[branch].never = never
        self.validate.append(branch)

    def delete_branch(self, branch: BranchKey) -> None:
        if branch not in self.state.branches:
            text = f"{branch.repo[0]}/{branch.repo[1]}.user@{branch.name}"
            raise not_found(f'get branch "{text}": branch (id=0, branch={branch}) not found')
        below = [str(other.key) for other in self.state.branches.values() if branch in other.provenance]
        if below:
            raise RefusedError(
                f'branch "{branch}" cannot be deleted because it\'s in the direct provenance of [{" ".join(below)}]'
            )
        del self.state.branches[branch]

    def end(self) -> None:
        """Open the commits downstream of what was touched, and check that every graph has each repo once."""
        for touched in self.propagate:
            if touched in self.state.branches:
                self._propagate(touched)
        for branch in self.validate:
            self._check_graph(branch)

    def _propagate(self, upstream: BranchKey) -> None:
        for branch in sorted(self.state.branches.values(), key=lambda branch: branch.number):
            if upstream not in branch.provenance or upstream in branch.never:
                continue
            if branch.head.id != self.id:
                heads = tuple(self.state.branches[each].head for each in branch.provenance)
                self._move(branch.key, self._new_commit(branch.key, AUTO, branch.head, heads, closed=False).key)
            self._propagate(branch.key)

    def _check_graph(self, branch: BranchKey) -> None:
        if branch not in self.state.branches:
            raise not_found(
                f'validate DAG at end of transaction: loading branch info for "{branch}" during validation:'
                f" get branch info: branch (id=0, branch={branch}) not found"
            )
        together = {branch}
        while True:
            wider = set(together)
            for other in self.state.branches.values():
                if other.key in together:
                    wider.update(other.provenance)
                if together & set(other.provenance):
                    wider.add(other.key)
            if wider == together:
                break
            together = wider
        repos = [each.repo for each in together]
        for repo in repos:
            if repos.count(repo) > 1:
                raise RefusedError(
                    "validate DAG at end of transaction: multiple branches from the same repo,"
                    f' "{repo[0]}/{repo[1]}", cannot participate in a DAG'
                )

    def _new_commit(
        self,
        branch: BranchKey,
        origin: int,
        parent: CommitKey | None,
        provenance: tuple[CommitKey, ...],
        *,
        closed: bool,
    ) -> CommitState:
        key = CommitKey(branch.repo, self.id)
        if key in self.state.commits:
            raise RefusedError(f"commit {key} already exists: one commit in a repo for each commit set")
        commit = CommitState(key, branch.name, origin, self.state.number(), parent, provenance, now())
        commit.updated = commit.started
        if closed:
            commit.finishing = commit.finished = commit.started
        self.state.commits[key] = commit
        return commit

    def _move(self, branch: BranchKey, head: CommitKey) -> None:
        known = self.state.branches.get(branch)
        if known is None:
            self.state.branches[branch] = BranchState(branch, head, now(), self.state.number())
        else:
            known.head = head


def check_project(name: str) -> None:
    prefix = "invalid project name: "
    if len(name) > PROJECT_NAME_LIMIT:
        beyond = len(name) - PROJECT_NAME_LIMIT
        raise RefusedError(
            f'{prefix}project name "{name}" is {beyond} characters longer than the {PROJECT_NAME_LIMIT} max'
        )
    try:
        check_name(name)
    except RefusedError as error:
        raise RefusedError(prefix + error.details) from None
    if not name[0].isalnum():
        raise RefusedError(f"{prefix}project names must start with an alphanumeric character")


@contextmanager
def transaction(holder: list[State]) -> Iterator[Operations]:
    """Operations on a copy of ``holder[0]``, which replaces it when nothing was refused."""
    operations = Operations(copy_of(holder[0]))
    yield operations
    operations.end()
    holder[0] = operations.state


def copy_of(state: State) -> State:
    """Deep, but for contents, which nobody changes."""
    memo: dict[int, object] = {id(each): each for each in state.file_sets.values()}
    for commit in state.commits.values():
        memo.update({id(each): each for each in commit.file_sets})
    return copy.deepcopy(state, memo)
