"""N commits of 1,000 rows to a versioned dataset. Arguments: store address, commits, tag of the writer."""

from __future__ import annotations

import sys

import pyarrow as pa

from datamill_pipelines.datasets import open_store

address, commits, writer = sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "one"  # noqa: PLR2004
table = pa.table({"id": pa.array(range(1000), pa.int64()), "value": pa.array([i * 0.5 for i in range(1000)])})
repo = open_store(address).create_repo("bench/rows", exist_ok=True)
for number in range(commits):
    with repo.commit("main") as commit:
        commit.put_table(f"{writer}/{number:06d}.parquet", table)
