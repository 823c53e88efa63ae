"""N commits of 1,000 rows to a versioned dataset. Arguments: directory, commits, tag of the writer."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pyarrow as pa

from benchmarks.peers.gate import measured
from datamill_pipelines.datasets import open_store

directory, commits, writer = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "one"  # noqa: PLR2004
EARLY = slice(9, 109)
LATE = 100
table = pa.table({"id": pa.array(range(1000), pa.int64()), "value": pa.array([i * 0.5 for i in range(1000)])})
repo = open_store(directory.absolute().as_uri()).create_repo("bench/rows", exist_ok=True)
times = []
with measured() as told:
    for number in range(commits):
        started = time.monotonic()
        with repo.commit("main") as commit:
            commit.put_table(f"{writer}/{number:06d}.parquet", table)
        times.append(time.monotonic() - started)
    told["early"] = sorted(times[EARLY])[len(times[EARLY]) // 2] if times[EARLY] else times[0]
    told["late"] = sorted(times[-LATE:])[len(times[-LATE:]) // 2]
