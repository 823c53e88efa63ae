"""Programs besides ``helm`` that some units need: ``git`` and ``kustomize``."""

from __future__ import annotations

import logging
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

from datamill_infra.model.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

logger = logging.getLogger("datamill.helm")

INSTALL = {
    "git": "Install git by the machine's package manager.",
    "kustomize": "Install kustomize (kubectl.docs.kubernetes.io/installation/kustomize) and put it into PATH; with Go:"
    " `go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.0`.",
}
SECONDS = 300
SHOWN_LINES = 8


class ProgramError(PlatformError):
    """A program is not here, or it failed."""


def run(argv: Sequence[str], *, directory: Path | None = None) -> str:
    """Run a program to its end.

    Args:
        argv: program and arguments; no secrets.
        directory: where it runs.

    Returns:
        Its standard output.

    Raises:
        ProgramError: it is not here, or it failed.
    """
    found = shutil.which(argv[0])
    if found is None:
        raise ProgramError(f"There is no `{argv[0]}` in PATH, and this unit needs it.", instruction=INSTALL[argv[0]])
    logger.info("%s", shlex.join(argv))
    try:
        done = subprocess.run(
            [found, *argv[1:]],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProgramError(
            f"`{shlex.join(argv)}` did not end within {SECONDS} s.", instruction="Run it by hand to see more."
        ) from error
    if done.returncode != 0:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-SHOWN_LINES:])
        raise ProgramError(
            f"`{shlex.join(argv)}` ended with status {done.returncode}: {said}",
            instruction="Correct what it names, or run it by hand to see more.",
        )
    return done.stdout
