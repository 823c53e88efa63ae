"""A whole store copied, and put back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from datamill_pipelines.datasets.copying import copy_store
from datamill_pipelines.datasets.errors import ExistsError
from datamill_pipelines.datasets.local import LocalStore
from datamill_pipelines.datasets.objects import ObjectInfo
from datamill_pipelines.datasets.store import DatasetStore


@pytest.fixture
def source(tmp_path: Path) -> LocalStore:
    """A store with two repos, a tag, and a branch with a past."""
    store = DatasetStore(LocalStore(tmp_path / "source"))
    notes = store.create_repo("raw/notes", "Notes")
    for text in ("one", "two"):
        with notes.commit("main", message=text) as commit:
            commit.put("a.txt", text.encode())
    with store.create_repo("features/notes").commit("main") as commit:
        commit.put("big.bin", commit.read("raw/notes@main").read_bytes("a.txt") * 50_000)
    notes.create_tag("first", "main")
    return LocalStore(tmp_path / "source")


def facts(objects: LocalStore) -> dict[str, object]:
    """What a reader sees of a store: ids, trees and provenance."""
    store = DatasetStore(objects)
    return {
        name: [(commit.id, commit.message, commit.provenance) for commit in store.repo(name).log("main")]
        for name in store.repos()
    }


def test_copy_has_every_commit_with_its_id_and_provenance(source: LocalStore, tmp_path: Path) -> None:
    target = LocalStore(tmp_path / "target")
    copied = copy_store(source, target)
    assert facts(source) == facts(target)
    assert [] == list(DatasetStore(target).fsck().problems)
    assert copied.objects == len(list(target.scan("")))
    assert b"two" == DatasetStore(target).commit_view("raw/notes@first").read_bytes("a.txt")


def test_target_that_is_not_empty_is_refused_and_left_as_it_is(source: LocalStore, tmp_path: Path) -> None:
    target = LocalStore(tmp_path / "target")
    DatasetStore(target).create_repo("mine")
    before = sorted(info.key for info in target.scan(""))
    with pytest.raises(ExistsError, match="not empty"):
        copy_store(source, target)
    assert before == sorted(info.key for info in target.scan(""))


def test_store_that_was_only_opened_counts_as_empty(source: LocalStore, tmp_path: Path) -> None:
    target = LocalStore(tmp_path / "target")
    DatasetStore(target).close()
    copy_store(source, target)
    assert facts(source) == facts(LocalStore(tmp_path / "target"))


def test_replace_deletes_what_was_there(source: LocalStore, tmp_path: Path) -> None:
    target = LocalStore(tmp_path / "target")
    DatasetStore(target).create_repo("mine")
    copy_store(source, target, replace=True)
    assert facts(source) == facts(LocalStore(tmp_path / "target"))


def test_writer_that_commits_meanwhile_does_no_harm(
    source: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, scan = LocalStore(tmp_path / "target"), source.scan
    before = facts(source)

    def scanned(prefix: str) -> Iterator[ObjectInfo]:
        found = list(scan(prefix))
        if prefix == "":
            return iter(found)
        with DatasetStore(LocalStore(tmp_path / "source")).repo("raw/notes").commit("main") as commit:
            commit.put("late.txt", b"late")
        return iter(found)

    monkeypatch.setattr(source, "scan", scanned)
    copy_store(source, target)
    assert before == facts(target)
    assert [] == list(DatasetStore(target).fsck().problems)


def test_writers_at_work_are_not_copied(source: LocalStore, tmp_path: Path) -> None:
    source.put("sessions/somebody", b"at work")
    target = LocalStore(tmp_path / "target")
    copy_store(source, target)
    assert target.size("sessions/somebody") is None
