"""A version appears in the repository as a whole, and stays there."""

from __future__ import annotations

from pathlib import Path

import pytest

from datamill_pipelines.serving.errors import ServingError
from datamill_pipelines.serving.repository import ModelRepository


def test_a_version_is_what_was_put_in(tmp_path: Path, model_file: Path) -> None:
    repository = ModelRepository(str(tmp_path / "models"))
    repository.add("m", "3", model_file, {"trusted": ["a.B"]})

    assert repository.versions("m") == ["3"]
    assert repository.settings("m", "3")["parameters"]["extra"] == {"trusted": ["a.B"]}
    assert (tmp_path / "models" / "m" / "3" / "model.skops").read_bytes() == b"weights"


def test_a_copy_that_did_not_finish_is_no_version_and_is_in_nobodys_way(
    tmp_path: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = ModelRepository(str(tmp_path / "models"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("shutil.copyfile", full)
        with pytest.raises(OSError, match="No space"):
            repository.add("m", "1", model_file, {})
    assert repository.versions("m") == []

    repository.add("m", "1", model_file, {})
    assert repository.versions("m") == ["1"]


def test_removing_a_version_leaves_the_others(tmp_path: Path, model_file: Path) -> None:
    repository = ModelRepository(str(tmp_path / "models"))
    repository.add("m", "1", model_file, {})
    repository.add("m", "2", model_file, {})
    repository.remove("m", "1")

    assert repository.versions("m") == ["2"]


def test_a_repository_that_is_not_a_directory_is_refused() -> None:
    with pytest.raises(ServingError, match="not a directory"):
        ModelRepository("s3://bucket/models")
