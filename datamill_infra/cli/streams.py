"""Standard output for the display alone.

Jobs run in this process, and with them libraries and servers' clients that print. Dagster mirrors what a step
prints to the terminal, too. Both would tear a live display apart, so for the time of a job the process's own
standard streams (and those of its children) go to a file, and the display writes to a copy of the original.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def set_aside(log: Path) -> Iterator[TextIO]:
    """Send what is printed to ``log``; yield a stream that still writes to the original standard output.

    Args:
        log: appended to, created with its folder when absent; readable by its owner only, as libraries may print
            anything.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    original_out, original_err = os.dup(1), os.dup(2)
    aside = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.dup2(aside, 1)
        os.dup2(aside, 2)
        os.close(aside)
        with os.fdopen(os.dup(original_out), "w", encoding="utf-8", buffering=1) as display:
            yield display
    finally:
        with contextlib.suppress(OSError):  # the log's disk may be full; the error that says so is already raised
            sys.stdout.flush()
            sys.stderr.flush()
        os.dup2(original_out, 1)
        os.dup2(original_err, 2)
        os.close(original_out)
        os.close(original_err)
