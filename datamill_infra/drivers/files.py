"""Files that hold state or secrets: mode 0600, and either the old content or the new, never a part."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from datamill_infra.model.errors import PlatformError


class StateError(PlatformError):
    """A file of the deployment could not be written."""


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file that only its owner can read, atomically and durably; its directory must exist.

    Args:
        path: what to write.
        text: its content.
        mode: permissions.

    Raises:
        StateError: the disk is full, or the directory cannot be written; the old content is untouched.
    """
    scratch = None
    try:
        handle, scratch = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # created with mode 0600
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(scratch).replace(path)
    except OSError as error:
        if scratch:
            with contextlib.suppress(OSError):
                Path(scratch).unlink()
        raise state_error(path, error) from error


def state_error(path: Path, error: OSError) -> StateError:
    """The error for a file or directory of the deployment that cannot be written."""
    return StateError(
        f"{path} cannot be written: {error.strerror or error}.",
        instruction=f"Free space on, or get write access to, the disk of {path.parent}, and run the command again."
        " What was there before is unchanged.",
    )


def tail(file: Path, lines: int) -> list[str]:
    """The last lines of a text file, oldest first, without reading more of it than needed.

    Args:
        file: it exists.
        lines: at most how many.
    """
    with file.open("rb") as opened:
        position = opened.seek(0, os.SEEK_END)
        data = b""
        while position > 0 and data.count(b"\n") <= lines:
            step = min(65_536, position)
            position -= step
            opened.seek(position)
            data = opened.read(step) + data
    return data.decode("utf-8", errors="replace").splitlines()[-lines:] if lines > 0 else []
