"""One commit of every kind of change, made on an older version: what several rows disturb."""

from __future__ import annotations

from datamill_pipelines.datasets.objects import ObjectStore
from datamill_pipelines.datasets.store import DatasetStore

REPO = "raw/flights"
REF = f"{REPO}@main"
Files = dict[str, bytes]

BEFORE: Files = {"a.csv": b"old", "b.csv": b"stays", "s/1": b"1", "s/2": b"2"}
AFTER: Files = {"a.csv": b"new", "b.csv": b"stays", "c/d.csv": b"more", "s/2": b"2", "s/3": b"3", "s/4": b"4"}


def begin(objects: ObjectStore) -> None:
    """A store with the old version."""
    repo = DatasetStore(objects).create_repo(REPO)
    with repo.commit() as transaction:
        for path, data in BEFORE.items():
            transaction.put(path, data)
        transaction.advance("k", 0, 10)


def change(objects: ObjectStore) -> None:
    """Whatever the state, the next batch of a sink: nothing if it is there already."""
    repo = DatasetStore(objects).repo(REPO)
    with repo.commit() as transaction:
        if transaction.positions["k"].end != 10:
            return
        for path, data in AFTER.items():
            transaction.put(path, data)
        transaction.delete("s/1")
        transaction.advance("k", 10, 20)
