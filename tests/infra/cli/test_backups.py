"""What a folder must be to be a backup."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from datamill_infra.cli.backups import FILE, read
from datamill_infra.model.errors import ConfigurationError


def written(folder: Path, **facts: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / FILE).write_text(json.dumps({"made_at": "now", "flavour": "demo", "format": 1, **facts}))
    return folder


def test_parts_are_what_was_written(tmp_path: Path) -> None:
    assert ("datasets",) == read(written(tmp_path / "b", datasets={"objects": 1, "size": 1})).parts
    one = {"name": "a", "owner": "a", "file": "postgres/a.dump", "bytes": 1, "sha256": ""}
    assert ("postgres",) == read(written(tmp_path / "b", postgres=[one])).parts


def test_folder_without_the_last_file_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no finished backup"):
        read(tmp_path)


def test_backup_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="of format 7, and this version knows 1"):
        read(written(tmp_path / "b", format=7))
