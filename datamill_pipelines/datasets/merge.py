"""Three-way merge of branches, file by file.

A file that one side changed is taken from that side; one that both changed differently is a conflict, and nothing is
written. Positions are merged the same way: a branch that a sink writes refuses a branch on which another sink has
moved the same positions, because its next batch could continue only one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_pipelines.datasets.diff import FileChange, diff_trees
from datamill_pipelines.datasets.errors import MergeConflictError
from datamill_pipelines.datasets.history import common_ancestor
from datamill_pipelines.datasets.transaction import Transaction
from datamill_pipelines.datasets.trees import EMPTY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datamill_pipelines.datasets.commits import Commit
    from datamill_pipelines.datasets.positions import PositionRange
    from datamill_pipelines.datasets.repos import Repo


def merge_branch(repo: Repo, source: str, into: str, facts: Mapping[str, str]) -> Commit | None:
    """Merge what ``source`` names into the branch ``into``.

    Returns:
        The merge commit, or ``None`` when ``into`` has everything already.

    Raises:
        MergeConflictError: both sides changed the same files or positions; nothing was written.
        NotFoundError: ``source`` names no commit, or ``into`` no branch.
    """
    theirs, ours = repo.resolve(source), repo.head(into)
    base = common_ancestor(repo, ours, theirs)
    if base is not None and base.id == theirs.id:
        return None
    transaction = Merge(repo, into, dict(facts), theirs)
    with transaction:
        transaction.take(base)
    return transaction.commit


class Merge(Transaction):
    """A commit with two parents."""

    def __init__(self, repo: Repo, branch: str, facts: dict[str, str], theirs: Commit) -> None:
        facts = {"author": "", "run_id": "", "code_version": "", **facts}
        facts["message"] = facts.get("message") or f"Merge {theirs.branch}"
        super().__init__(repo, branch, facts, None)
        self._theirs = theirs

    def take(self, base: Commit | None) -> None:
        """Take over what the other side changed since ``base``."""
        ours = self._base
        if ours is None:
            raise AssertionError(self.branch)
        tree, start = self._repo.tree, base.root if base is not None else EMPTY
        mine = {change.path: change for change in diff_trees(tree, start, ours.root)}
        changes = list(diff_trees(tree, start, self._theirs.root))
        conflicts = [change.path for change in changes if not _agree(change, mine.get(change.path))]
        moved = _moved(base.positions if base else {}, ours.positions, self._theirs.positions)
        clashing = [key for key, step in moved.items() if step is None]
        if conflicts or clashing:
            raise _conflict(self._branch_name, self._theirs, conflicts, clashing)
        for change in changes:
            if change.path not in mine:
                self._uploads.set(change.path, change.new)
        for key, step in moved.items():
            if step is not None:
                self.advance(key, *step)

    def _parents(self) -> list[Commit]:
        return [*super()._parents(), self._theirs]

    def _is_news(self) -> bool:
        return True


def _agree(theirs: FileChange, ours: FileChange | None) -> bool:
    if ours is None or (theirs.new is None and ours.new is None):
        return True
    return theirs.new is not None and theirs.new.same_content(ours.new)


def _moved(
    base: Mapping[str, PositionRange], ours: Mapping[str, PositionRange], theirs: Mapping[str, PositionRange]
) -> dict[str, tuple[int, int] | None]:
    """Steps that take our positions to theirs, where only they moved; ``None`` where both did, differently."""
    steps: dict[str, tuple[int, int] | None] = {}
    for key, reached in theirs.items():
        before, here = base.get(key), ours.get(key)
        if reached == here or (before is not None and reached.end == before.end):
            continue
        if here is not None and (before is None or here.end != before.end or reached.end < here.end):
            steps[key] = None
        else:
            steps[key] = (here.end if here is not None else reached.start, reached.end)
    return steps


def _conflict(name: str, theirs: Commit, paths: Sequence[str], keys: Sequence[str]) -> MergeConflictError:
    what = []
    if paths:
        what.append(f"both sides changed {', '.join(paths[:10])}{' and more' if len(paths) > 10 else ''}")  # noqa: PLR2004
    if keys:
        what.append(f"both sides moved the positions of {', '.join(keys)}")
    return MergeConflictError(
        f"{theirs.repo}@{theirs.short_id} cannot be merged into {name}: {'; '.join(what)}.",
        instruction="Make one side agree with the other (copy or delete the files on a branch), then merge again."
        if paths
        else "Let one sink write each branch. Merge the other branch's files without it: start from its first commit.",
        paths=[*paths, *keys],
    )
