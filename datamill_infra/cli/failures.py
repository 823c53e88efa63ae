"""Every way a command can end, as an exit code and a message on standard error.

==== ==========================================================================================
code meaning
==== ==========================================================================================
0    success
1    the platform or a pipeline could not be brought where it should be
2    ``plan``: there are changes; nothing else uses it
3    blocked: a component that a pipeline needs is not available, no data step was started
4    locked: another writer holds the deployment
5    a file or a name the user wrote is wrong
64   the command line is wrong
70   a fault in Data Mill itself; the traceback is in the named file
74   the disk is full
130  interrupted; the next run continues
141  the reader of standard output went away
==== ==========================================================================================
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datamill_infra.model.errors import DatamillError

if TYPE_CHECKING:
    from collections.abc import Iterator

USAGE = 64
FAULT = 70
DISK_FULL = 74
INTERRUPTED = 130
BROKEN_PIPE = 141


@dataclass
class Outcome:
    """The exit code of a command that is running."""

    code: int = 0


@contextlib.contextmanager
def exit_code_of() -> Iterator[Outcome]:
    """Run a command inside; whatever it raises is told on standard error and becomes an exit code."""
    outcome = Outcome()
    try:
        yield outcome
        sys.stdout.flush()
    except DatamillError as error:
        tell(error.reason, error.instruction)
        outcome.code = error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        outcome.code = USAGE
    except click.ClickException as error:
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "datamill"
        tell(error.format_message(), f"See `{path} --help`.")
        outcome.code = USAGE
    except (KeyboardInterrupt, click.Abort):
        tell("Interrupted.", "Everything done so far is kept; run the same command again to continue.")
        outcome.code = INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes standard output once more when it exits, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        outcome.code = BROKEN_PIPE
    except Exception as error:  # noqa: BLE001  the outermost frame: told, written down, and an exit code of its own
        outcome.code = _tell_fault(error)


def tell(reason: str, instruction: str | None = None) -> None:
    """Print a reason and an instruction on standard error."""
    click.echo(click.style("Error: ", fg="red", bold=True) + reason, err=True)
    if instruction:
        click.echo(instruction, err=True)


def _tell_fault(error: Exception) -> int:
    if _is_disk_full(error):
        filename = getattr(error, "filename", None)
        tell(
            f"The disk is full{f' (writing {filename})' if filename else ''}.",
            "Free some space and run the same command again; what was finished is kept.",
        )
        return DISK_FULL
    written = write_traceback(error)
    summary = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    tell(f"Unexpected: {summary}", f"This is a fault in Data Mill. The traceback is in {written}.")
    return FAULT


def write_traceback(error: BaseException) -> Path:
    """Write a traceback to a file of its own and return its path."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix=time.strftime("datamill-%Y%m%dT%H%M%S-"), suffix=".traceback", delete=False
    ) as file:
        file.write(f"datamill {' '.join(sys.argv[1:])}\n\n")
        file.write("".join(traceback.format_exception(error)))
    return Path(file.name)


def _is_disk_full(error: BaseException | None) -> bool:
    """Whether a full disk or quota is the cause, also when SQLite or a library wrapped it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return True
        if "database or disk is full" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
