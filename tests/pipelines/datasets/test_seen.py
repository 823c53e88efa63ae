"""A snapshot reads what may have changed, all of it, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from datamill_pipelines.datasets.repos import Repo
from datamill_pipelines.datasets.seen import SeenFiles
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.testing.memory import MemoryStore

SETTLED = 0.1
"""Seconds after which a file's times tell its states apart, on file systems that keep fractions."""


@pytest.fixture
def repo() -> Repo:
    return DatasetStore(MemoryStore()).create_repo("files")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / name).write_bytes(name.encode() * 100)
    time.sleep(SETTLED)
    return folder


def snapshot(repo: Repo, folder: Path) -> list[str]:
    """The names that were read for it."""
    read: list[str] = []
    with SeenFiles(folder.parent / "seen.json") as seen, repo.commit() as commit:
        stage = commit._stage
        commit._stage = lambda file: (read.append(file.entry.path), stage(file))[1]  # type: ignore[method-assign]
        for file in sorted(folder.iterdir()):
            seen.put(commit, file.name, file)
    return read


def content(repo: Repo) -> dict[str, bytes]:
    view = repo.view(repo.head("main"))
    return {file.path: view.read_bytes(file.path) for file in view.files()}


def test_only_what_changed_is_read_again(repo: Repo, folder: Path) -> None:
    assert snapshot(repo, folder) == ["a", "b", "c"]
    assert snapshot(repo, folder) == []
    (folder / "b").write_bytes(b"changed")
    assert snapshot(repo, folder) == ["b"]
    assert content(repo)["b"] == b"changed"


def test_a_change_of_equal_size_whose_time_was_set_back_is_seen(repo: Repo, folder: Path) -> None:
    snapshot(repo, folder)
    before = (folder / "b").stat()
    (folder / "b").write_bytes(b"B" * 100)
    os.utime(folder / "b", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert snapshot(repo, folder) == ["b"]
    assert content(repo)["b"] == b"B" * 100


def test_a_file_changed_just_before_it_was_read_is_read_again(repo: Repo, folder: Path) -> None:
    (folder / "b").write_bytes(b"1")
    snapshot(repo, folder)
    assert "b" in snapshot(repo, folder)


def test_what_a_branch_does_not_have_is_read_and_put_whatever_was_seen(repo: Repo, folder: Path) -> None:
    snapshot(repo, folder)
    with repo.commit() as commit:
        commit.delete("c")
        commit.put("a", b"somebody else's")
    assert snapshot(repo, folder) == ["a", "c"]
    assert content(repo) == {name: name.encode() * 100 for name in ("a", "b", "c")}


@pytest.mark.parametrize("kept", [b"", b"[1", b"[0,{}]", b'[1,{"x":3}]', b"null"])
def test_an_unreadable_memory_costs_a_full_reading(repo: Repo, folder: Path, kept: bytes) -> None:
    snapshot(repo, folder)
    (folder.parent / "seen.json").write_bytes(kept)
    assert snapshot(repo, folder) == ["a", "b", "c"]


def test_it_needs_no_place_to_remember(repo: Repo, folder: Path) -> None:
    (folder.parent / "seen.json").mkdir()
    assert snapshot(repo, folder) == ["a", "b", "c"]
    assert snapshot(repo, folder) == ["a", "b", "c"]
