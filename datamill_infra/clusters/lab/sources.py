"""Where the lab's own files are: ``lab/`` of the checkout, or its copy in an installed package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[2]


def lab_sources() -> Path:
    """The folder with the Go modules and the manifests.

    Raises:
        FileNotFoundError: the installation lacks it.
    """
    for folder in (_PACKAGE.parent / "lab", _PACKAGE / "project" / "lab"):
        if (folder / "kubernetes" / "go.mod").is_file():
            return folder
    raise FileNotFoundError(f"lab/ is neither beside {_PACKAGE} nor in {_PACKAGE / 'project'}")
