"""The charts that this project owns: where they are, and how one is made ready for ``helm``.

A chart's folder holds what people write. What Helm wants beside it, the library chart below ``charts/``, is joined in
when a chart is staged, so that there is one copy of it.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from datamill_infra.model.errors import UnknownNameError

LIBRARY = "library"
SOURCES = frozenset({"values.schema.yaml"})
"""Read by :mod:`.schemas` only."""

_PACKAGE = Path(__file__).parent.parent.parent


def charts_folder() -> Path:
    """The folder of charts: ``helm/`` in a checkout, a copy of it in an installed package.

    Raises:
        FileNotFoundError: the installation lacks it.
    """
    for folder in (_PACKAGE.parent / "helm", _PACKAGE / "project" / "helm"):
        if (folder / LIBRARY / "Chart.yaml").is_file():
            return folder
    raise FileNotFoundError(f"No charts in {_PACKAGE.parent / 'helm'} nor in {_PACKAGE / 'project' / 'helm'}.")


def chart_names(folder: Path) -> list[str]:
    """The charts below ``folder`` that can be installed."""
    return sorted(path.parent.name for path in folder.glob("*/Chart.yaml") if path.parent.name != LIBRARY)


def image_files(folder: Path, target: str) -> list[Path]:
    """The values files that name the images, in the order in which they are merged.

    Args:
        folder: of charts.
        target: kind of target; one with images of its own has ``images-<target>.yaml``.
    """
    own = folder / f"images-{target}.yaml"
    return [folder / "images.yaml", *([own] if own.is_file() else [])]


def stage(folder: Path, name: str, into: Path) -> Path:
    """Copy a chart with the library chart in it, as ``helm`` wants it.

    Args:
        folder: of charts.
        name: of the chart.
        into: an existing directory.

    Returns:
        The staged chart.

    Raises:
        UnknownNameError: there is no such chart.
    """
    if name not in chart_names(folder):
        raise UnknownNameError("chart of this project", name, chart_names(folder))
    staged = into / name
    ignored = shutil.ignore_patterns(*SOURCES)
    shutil.copytree(folder / name, staged, ignore=ignored)
    shutil.copytree(folder / LIBRARY, staged / "charts" / LIBRARY, ignore=ignored)
    return staged


def chart_digest(chart: Path) -> str:
    """SHA-256 over the files of a staged chart, in hexadecimal."""
    found = hashlib.sha256()
    for file in sorted(path for path in chart.rglob("*") if path.is_file()):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        found.update(f"{file.relative_to(chart).as_posix()} {content}\n".encode())
    return found.hexdigest()
