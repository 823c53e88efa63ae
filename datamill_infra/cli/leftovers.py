"""What ``datamill down --delete-data`` removes once the teardown job is over.

The job cannot do it: it runs on the very databases that are to go.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.drivers.erasure import erase_history
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.flavours import Flavours

if TYPE_CHECKING:
    from collections.abc import Iterator

# What Dagster itself puts into its home.
DAGSTER_FOLDERS = ("history", "schedules", ".telemetry", ".nux", ".logs_queue")


def remove_leftovers(deployment: Deployment) -> list[str]:
    """Remove Dagster's history, its link, the default ``deployment.yaml``, and then the directory if it is empty.

    Args:
        deployment: nothing of it runs any more.

    Returns:
        What was kept, because the user wrote it.
    """
    home = deployment.home
    erase_history(deployment)
    for name in DAGSTER_FOLDERS:
        if (folder := home / name).is_dir():
            shutil.rmtree(folder)
    link = home / "dagster.yaml"
    if link.is_symlink():
        link.unlink()
    if _is_default(deployment):
        deployment.deployment_file.unlink()
    kept = sorted(_names(home))
    if not kept:
        home.rmdir()
    return kept


def _is_default(deployment: Deployment) -> bool:
    """Whether ``deployment.yaml`` is as it was made, for a flavour of the package."""
    if deployment.flavour not in Flavours.load().names():
        return False  # a flavour of the user's own: so is the file
    with tempfile.TemporaryDirectory(prefix="datamill-default-") as folder:
        made = Deployment.write_default(
            Path(folder),
            deployment.flavour,
            deployment.target,
            context=deployment.context,
            capabilities=deployment.definition.file.capabilities,
        )
        return made.deployment_file.read_bytes() == deployment.deployment_file.read_bytes()


def _names(home: Path) -> Iterator[str]:
    for entry in home.iterdir():
        if entry.is_dir() and not any(entry.iterdir()):
            entry.rmdir()
        else:
            yield entry.name
