"""Starts children that have everything loaded: a process that imports once, and then only forks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

NURSERY = Path(__file__).with_name("nursery.py")


class Workshop:
    """The process that forks, and what it is told.

    Args:
        errors: file for what children print.
    """

    def __init__(self, errors: Path) -> None:
        self.errors = errors
        with errors.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self._answer()

    def start(self, function: str, **arguments: Any) -> int:
        """The process id of a child that calls ``module:function`` with arguments that JSON can say."""
        return int(self._ask({"call": function, "arguments": arguments})["pid"])

    def wait(self, pid: int) -> int:
        """The exit code of a child: negative for the signal that killed it."""
        return int(self._ask({"wait": pid})["exit"])

    def wait_stopped(self, pid: int) -> int | None:
        """Return when a child has stopped itself (``None``), or its exit code if it has not."""
        return self._ask({"wait": pid, "stopped": True})["exit"]

    def finish(self, pid: int) -> None:
        """Wait for a child that must succeed."""
        code = self.wait(pid)
        assert 0 == code, f"exit code {code}: {self.errors.read_text()[-4000:]}"

    def kill(self, pid: int) -> bool:
        """SIGKILL a child; whether it was still at work."""
        os.kill(pid, signal.SIGKILL)  # it is not reaped before wait, so the number is still its own
        return self.wait(pid) == -signal.SIGKILL

    def close(self) -> None:
        self.process.communicate()

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.errors.read_text()
        answer: dict[str, Any] = json.loads(line)
        return answer
