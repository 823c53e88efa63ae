"""Room on the disk, looked at before anything is begun.

Servers, SQLite and the registry's jars all fail in ways of their own on a full disk; a look at the start turns the
usual case into one sentence, with nothing half done.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from datamill_infra.model.errors import PlatformError

if TYPE_CHECKING:
    from pathlib import Path

NEEDED_BYTES = 256 * 1024 * 1024
"""Logs and data of an idle demo; server artifacts are checked by whoever fetches them."""


def require_space(home: Path) -> None:
    """Refuse to begin on a disk that is practically full.

    Args:
        home: the deployment directory; its nearest existing parent decides.

    Raises:
        PlatformError: less than :data:`NEEDED_BYTES` are free.
    """
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if free < NEEDED_BYTES:
        raise PlatformError(
            f"The disk that holds {home} is full: {free // 2**20} MB are free, {NEEDED_BYTES // 2**20} MB are needed.",
            instruction="Free some space, or use a deployment directory on another disk (--home). Nothing was begun.",
        )
