"""Run as a script: imports what children need, then forks them on command. See :class:`faults.workshop.Workshop`.

It starts no thread and opens no client, so that a child begins with nothing that is half done.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import sys
import traceback
from pathlib import Path

TESTS = Path(__file__).parents[1]
LOADED = (
    "embedded.sink_process",
    "faults.landing",
    "faults.committing",
    "pandas",
    "pyarrow.parquet",
    "polars",
    "boto3",
)

HANGS_SECONDS = float(os.environ.get("FAULTS_HANG_SECONDS", "300"))


def main() -> None:
    """Take commands, one JSON document per line: start a call in a child, or wait for a child."""
    sys.path[0] = str(TESTS)
    for name in LOADED:
        importlib.import_module(name)
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        if "wait" in command:
            print(json.dumps({"exit": wait(command["wait"], stopped=command.get("stopped", False))}), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            os._exit(perform(command["call"], command["arguments"]))
        print(json.dumps({"pid": pid}), flush=True)


def wait(pid: int, *, stopped: bool) -> int | None:
    """The exit code, or ``None`` when the child has stopped."""
    _, status = os.waitpid(pid, os.WUNTRACED if stopped else 0)
    return None if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)


def perform(function: str, arguments: dict[str, object]) -> int:
    """Call; the exit code says whether it succeeded."""
    # A child that hangs says where, and ends.
    faulthandler.dump_traceback_later(HANGS_SECONDS, exit=True)
    module, name = function.split(":")
    try:
        getattr(importlib.import_module(module), name)(**arguments)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        return 1
    return 0


if __name__ == "__main__":
    main()
