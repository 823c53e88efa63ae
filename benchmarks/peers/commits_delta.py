"""N commits of 1,000 rows to a Delta table. Arguments: directory, commits.

An append that meets another one is tried again by delta-rs itself, as often as it takes.
"""

import sys

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake
from gate import measured

directory, commits = sys.argv[1], int(sys.argv[2])
table = pa.table({"id": pa.array(range(1000), pa.int64()), "value": pa.array([i * 0.5 for i in range(1000)])})
DeltaTable.create(directory, table.schema, mode="ignore")
properties = CommitProperties(max_commit_retries=1_000)
with measured():
    for _ in range(commits):
        write_deltalake(directory, table, mode="append", commit_properties=properties)
