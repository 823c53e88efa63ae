"""What ``datamill down --delete-data`` deletes once every component is gone."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from datamill_infra.drivers.files import state_error

if TYPE_CHECKING:
    from datamill_infra.model.home import Home


def erase_state(home: Home) -> None:
    """Delete what the drivers keep: directories of components, logs, the supervisor's files, what is remembered.

    What the user wrote stays: ``deployment.yaml``, ``catalogue``, ``flavours``, ``pipelines``. So do Dagster's own
    databases, in which this may be running (:func:`erase_history`), and the writer lock, which the caller holds.

    Raises:
        StateError: something could not be deleted.
    """
    kept = {home.lock_file, home.state_file("writer")}
    try:
        for folder in (home.home / "components", home.run_dir):
            if folder.exists():
                shutil.rmtree(folder)
        for file in home.log_dir.glob("supervisord.log*"):
            file.unlink()
        for file in home.state_dir.iterdir():
            if file not in kept:
                file.unlink()
        with contextlib.suppress(OSError):  # not empty: the logs of `datamill ui` are Dagster's history
            home.log_dir.rmdir()
    except OSError as error:
        raise state_error(home.home, error) from error


def erase_history(home: Home) -> None:
    """Delete the rest: Dagster's databases, captured logs, the writer lock. No Dagster may run in ``home``.

    Raises:
        StateError: something could not be deleted.
    """
    try:
        for folder in (home.storage, home.log_dir, home.state_dir):
            if folder.exists():
                shutil.rmtree(folder)
    except OSError as error:
        raise state_error(home.home, error) from error
