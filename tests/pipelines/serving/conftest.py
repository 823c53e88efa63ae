"""What repositories of models are given."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A model that nobody loads."""
    file = tmp_path / "model.skops"
    file.write_bytes(b"weights")
    return file
