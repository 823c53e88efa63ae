"""The door to programs: what is asked for, what came back, and an error that shows both."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from datamill_infra.model.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Enough of a failing program's output to see its cause.
SHOWN_LINES = 12


class ClusterError(PlatformError):
    """A cluster could not be made, looked at or removed."""


class CommandFailedError(ClusterError):
    """A program ended with an error, or did not end.

    Args:
        argv: what was run.
        said: its output.
        ended: how it ended, e.g. ``"ended with status 1"``.
        instruction: what to do.
    """

    def __init__(self, argv: Sequence[str], said: str, ended: str, *, instruction: str) -> None:
        lines = said.strip().splitlines()[-SHOWN_LINES:]
        super().__init__(
            f"`{shlex.join(argv)}` {ended}" + (":\n  " + "\n  ".join(lines) if lines else " and said nothing."),
            instruction=instruction,
        )
        self.said = said


class Commands(ABC):
    """Runs programs."""

    @abstractmethod
    def find(self, program: str) -> str | None:
        """The absolute path of a program, or ``None`` when the search path has none of this name."""

    @abstractmethod
    def run(
        self,
        argv: Sequence[str],
        *,
        seconds: float,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: str | None = None,
        instruction: str = "Run it by hand to see more.",
    ) -> str:
        """Run a program to its end and return its standard output.

        Args:
            argv: program and arguments; no secrets.
            seconds: it is killed after this time.
            directory: where it runs.
            environment: replaces ours.
            stdin: what it reads.
            instruction: what a user should do when it fails.

        Raises:
            CommandFailedError: it ended with an error, or did not end in time.
        """


class RealCommands(Commands):
    """Programs of this machine."""

    def find(self, program: str) -> str | None:
        """Look into the search path."""
        # Programs for administrators are there also where a user's path leaves them out.
        return shutil.which(program) or shutil.which(program, path="/usr/local/sbin:/usr/sbin:/sbin")

    def run(
        self,
        argv: Sequence[str],
        *,
        seconds: float,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: str | None = None,
        instruction: str = "Run it by hand to see more.",
    ) -> str:
        """Run it."""
        program = self.find(argv[0]) or argv[0]
        try:
            done = subprocess.run(
                [program, *argv[1:]],
                cwd=directory,
                env=None if environment is None else dict(environment),
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except FileNotFoundError as error:
            raise CommandFailedError(argv, str(error), "could not be started", instruction=instruction) from error
        except subprocess.TimeoutExpired as error:
            raise CommandFailedError(
                argv, "", f"did not end within {seconds:.0f} s", instruction=instruction
            ) from error
        if done.returncode != 0:
            raise CommandFailedError(
                argv, done.stderr or done.stdout, f"ended with status {done.returncode}", instruction=instruction
            )
        return done.stdout
