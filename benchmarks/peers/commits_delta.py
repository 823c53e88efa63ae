"""N commits of 1,000 rows to a Delta table. Arguments: directory, commits, tag for contended runs."""

import sys

import pyarrow as pa
from deltalake import write_deltalake

directory, commits = sys.argv[1], int(sys.argv[2])
table = pa.table({"id": pa.array(range(1000), pa.int64()), "value": pa.array([i * 0.5 for i in range(1000)])})
for _ in range(commits):
    write_deltalake(directory, table, mode="append")
