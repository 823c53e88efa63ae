"""A directory as a commit, as `datamill data put` makes it: first, and again after one file changed.

Argument: a directory with ``data/``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from datamill_pipelines.datasets import open_store
from datamill_pipelines.datasets.seen import SeenFiles


def snapshot() -> float:
    """Seconds that one commit of all files takes."""
    started = time.monotonic()
    with SeenFiles(Path(sys.argv[1]) / "seen.json") as seen, repo.commit("main") as commit:
        for name in sorted(os.listdir(data)):  # noqa: PTH208 (names are what is wanted)
            seen.put(commit, name, f"{data}/{name}")
    if commit.commit is None:
        raise SystemExit("nothing was committed")
    return time.monotonic() - started


data = Path(sys.argv[1]) / "data"
repo = open_store((Path(sys.argv[1]) / "store").as_uri()).create_repo("bench/files")
first = snapshot()
changed = data / "000007"
changed.write_bytes(b"changed" + changed.read_bytes()[7:])
again = snapshot()
print(json.dumps({"first": first, "again": again, "seconds": first + again}))
