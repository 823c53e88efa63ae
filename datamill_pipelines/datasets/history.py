"""How commits follow each other."""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING

_BOTH = 1 | 2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_pipelines.datasets.commits import Commit
    from datamill_pipelines.datasets.repos import Repo


def ancestors(repo: Repo, *commits: Commit) -> Iterator[Commit]:
    """The commits and all that they follow, breadth first, each once."""
    seen: set[str] = set()
    waiting = deque(commits)
    while waiting:
        commit = waiting.popleft()
        if commit.id in seen:
            continue
        seen.add(commit.id)
        yield commit
        waiting.extend(repo.parents(commit))


def common_ancestor(repo: Repo, one: Commit, other: Commit) -> Commit | None:
    """The newest commit that both follow, or are.

    Commits are looked at from the newest back, and no further than until all that are left to look at are known to be
    shared, so a merge of young branches of an old repo reads little.
    """
    sides = {one.id: 1}
    sides[other.id] = sides.get(other.id, 0) | 2
    waiting = [(-one.created_at.timestamp(), one.id, one)]
    if other.id != one.id:
        waiting.append((-other.created_at.timestamp(), other.id, other))
    heapq.heapify(waiting)
    while waiting:
        _, id_, commit = heapq.heappop(waiting)
        if sides[id_] == _BOTH:
            return commit
        for parent in repo.parents(commit):
            known = sides.get(parent.id, 0)
            sides[parent.id] = known | sides[id_]
            if sides[parent.id] != known:
                heapq.heappush(waiting, (-parent.created_at.timestamp(), parent.id, parent))
    return None


def follows(repo: Repo, commit: Commit, earlier: Commit) -> bool:
    """Whether ``earlier`` is ``commit`` or comes before it."""
    return any(each.id == earlier.id for each in ancestors(repo, commit))
