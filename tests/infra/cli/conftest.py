"""A store in a directory, and notes in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from infra.cli.data_verbs import Verbs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def verb(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Verbs:
    """Run one verb; its exit code and what it printed."""
    monkeypatch.setenv("DATAMILL_CACHE", str(tmp_path / "cache"))
    return Verbs(tmp_path / "store", capsys)


@pytest.fixture
def filled(verb: Verbs, tmp_path: Path) -> Path:
    """``raw/notes`` with two commits: ``a`` alone, then ``a`` and ``b``."""
    source = tmp_path / "in"
    source.mkdir()
    (source / "a").write_text("first\n", encoding="utf-8")
    verb("create-repo", "raw/notes", "--description", "Notes")
    verb("put", "raw/notes", str(source), "-m", "one")
    (source / "b").write_text("second\n", encoding="utf-8")
    verb("put", "raw/notes", str(source), "-m", "two")
    return source
