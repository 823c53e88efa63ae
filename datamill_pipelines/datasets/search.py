"""Finding a commit by its id, or the beginning of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_pipelines.datasets.commits import commit_of
from datamill_pipelines.datasets.errors import NotFoundError
from datamill_pipelines.datasets.names import repo_folder
from datamill_pipelines.datasets.records import decode_record
from datamill_pipelines.datasets.refs import SHORTEST_ID, looks_like_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_pipelines.datasets.commits import Commit
    from datamill_pipelines.datasets.records import Record
    from datamill_pipelines.datasets.repos import Repo


def find_commit(repo: Repo, revision: str) -> Commit:
    """The commit whose id is, or begins with, ``revision``.

    Raises:
        NotFoundError: there is none, or more than one.
    """
    found: dict[str, Record] = {}
    if looks_like_id(revision):
        for record in all_records(repo):
            if record.kind == "commit" and record.content["id"].startswith(revision):
                found.setdefault(record.content["id"], record)
    if len(found) == 1:
        (record,) = found.values()
        return commit_of(record, repo.store.url)
    if found:
        raise NotFoundError(
            f"{len(found)} commits of {repo.name} begin with {revision}.", instruction="Write more digits of the id."
        )
    raise NotFoundError(
        f"{repo.name} has no branch, tag or commit {revision!r}.",
        instruction=f"See what there is: datamill data log {repo.name}. (An id needs {SHORTEST_ID} digits or more.)",
    )


def all_records(repo: Repo) -> Iterator[Record]:
    """Every record of every branch and tag, deleted ones included."""
    objects = repo.store.objects
    for kind in ("branches", "tags"):
        folder = f"{repo_folder(repo.name)}/{kind}"
        keys = sorted(info.key for info in objects.scan(folder) if not info.key.endswith("/hint"))
        for start in range(0, len(keys), 64):
            group = keys[start : start + 64]
            for key, data in zip(group, objects.get_many(group), strict=True):
                yield decode_record(data, key, objects.url)
