"""Naming a commit that may be on its way out.

A new branch, a tag or a rollback may refer to a commit that only a deleted branch had, while a collection of garbage
is taking it away. So whoever makes the reference looks, once it is made, whether the commit is safe, and takes it
back otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_pipelines.datasets.errors import CollectedError
from datamill_pipelines.datasets.inventory import take_inventory
from datamill_pipelines.datasets.reach import Reach
from datamill_pipelines.datasets.trees import TreeReader

if TYPE_CHECKING:
    from datamill_pipelines.datasets.commits import Commit
    from datamill_pipelines.datasets.condemned import Collection
    from datamill_pipelines.datasets.records import Record
    from datamill_pipelines.datasets.store import DatasetStore


@dataclass
class Kept:
    """A commit, and the record that refers to it once it is made."""

    commit: Commit | None
    record: Record | None = None


def check_kept(store: DatasetStore, commit: Commit, record: Record, collection: Collection) -> None:
    """Make sure that all of a commit exists, and will.

    Args:
        store: the store.
        commit: what was referred to.
        record: the reference that was just made.
        collection: the newest.

    Raises:
        CollectedError: some of it is gone, or condemned by ``collection``, and nothing else refers to it.
    """
    inventory = take_inventory(store.objects)
    others = Reach(TreeReader(store.objects), inventory)
    others.visit_live(without=record)
    if commit.at in others.records:
        return  # it is kept by what referred to it before
    alone = Reach(TreeReader(store.objects), inventory)
    found = inventory.commits.get(commit.id)
    if found is not None:
        alone.visit(found)
    condemned = (alone.keys | alone.records) & collection.keys
    if found is None or condemned or any(store.objects.size(key) is None for key in alone.keys):
        raise CollectedError(
            f"{commit.repo}@{commit.short_id} was on a deleted branch, and is being collected as garbage.",
            instruction="Choose another commit, or repair this one: datamill data fsck --from another store.",
        )
