"""Writing a commit's files into a directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_pipelines.datasets.blobs import BlobReader
from datamill_pipelines.datasets.errors import ExistsError

if TYPE_CHECKING:
    from pathlib import Path

    from datamill_pipelines.datasets.views import CommitView


def check_out(view: CommitView, target: Path, prefix: str = "") -> int:
    """Write the files below ``prefix`` under the directory ``target``, checked; how many there are.

    Raises:
        ExistsError: the directory has something in it.
    """
    if target.exists() and any(target.iterdir()):
        raise ExistsError(
            f"{target} is not empty.", instruction="Name a directory that is empty or does not exist yet."
        )
    target.mkdir(parents=True, exist_ok=True)
    blobs = BlobReader(view.objects)
    count = 0
    for entry in view.entries(prefix):
        path = target / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        blobs.download(entry, path)
        count += 1
    return count
