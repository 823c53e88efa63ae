"""A starting line, so that processes that contend begin together, and imports are nobody's work.

With ``BENCH_PREPARE`` in the environment a process ends here: what it makes before its work (a table, a repo) is made.
With ``BENCH_GATE`` in the environment, a process says that it is ready by a file in that directory, and waits until
there is one called ``go``. Used by the scripts of both sides.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Wait for the others, time the block, and print the seconds (with what the block adds) as the last line."""
    if os.environ.get("BENCH_PREPARE"):
        raise SystemExit(0)
    gate = os.environ.get("BENCH_GATE")
    if gate:
        (Path(gate) / f"ready-{os.getpid()}").touch()
        while not (Path(gate) / "go").exists():
            time.sleep(0.002)
    more: dict[str, float] = {}
    started = time.monotonic()
    yield more
    print(json.dumps({"seconds": time.monotonic() - started, **more}))
