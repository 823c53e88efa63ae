"""One changed file in a large tree. Arguments: directory, entries, changes.

The tree is made once per directory. Each change is timed on a store that is opened anew, so that nothing of the tree is
in memory; the bytes are those of every file that the commit wrote, as the store's door to the file system counts them.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median

from datamill_pipelines.datasets.files import Files
from datamill_pipelines.datasets.local import LocalStore
from datamill_pipelines.datasets.store import DatasetStore

FILES_A_COMMIT = 100_000


class CountingFiles(Files):
    """Counts what is written."""

    written = 0

    def write(self, descriptor: int, body: bytes | Path) -> None:
        """Count, and write."""
        self.written += body.stat().st_size if isinstance(body, Path) else len(body)
        super().write(descriptor, body)


def path_of(number: int) -> str:
    """Of an entry: a thousand folders."""
    return f"{number // 1000:04d}/{number:07d}.bin"


directory, entries, changes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
if not directory.exists():
    repo = DatasetStore(LocalStore(directory)).create_repo("bench/tree")
    for start in range(0, entries, FILES_A_COMMIT):
        with repo.commit("main") as commit:
            for number in range(start, min(start + FILES_A_COMMIT, entries)):
                commit.put(path_of(number), b"%d" % number)
seconds, sizes = [], []
for change in range(changes):
    files = CountingFiles()
    store = DatasetStore(LocalStore(directory, files))
    repo = store.repo("bench/tree")
    files.written = 0
    started = time.monotonic()
    with repo.commit("main") as commit:
        commit.put(path_of((change + 1) * entries // (changes + 1)), b"changed %d" % time.monotonic_ns())
    seconds.append(time.monotonic() - started)
    sizes.append(files.written)
    if commit.commit is None or commit.commit.files != entries:
        raise SystemExit(f"the tree should have {entries} files: {commit.commit}")
print(json.dumps({"seconds": median(seconds), "bytes": median(sizes), "slowest": max(seconds)}))
