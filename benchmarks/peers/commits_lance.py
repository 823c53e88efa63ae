"""N commits of 1,000 rows to a Lance dataset. Arguments: directory, commits."""

import sys

import lance
import pyarrow as pa
from gate import measured

directory, commits = sys.argv[1], int(sys.argv[2])
table = pa.table({"id": pa.array(range(1000), pa.int64()), "value": pa.array([i * 0.5 for i in range(1000)])})
with measured():
    dataset = lance.write_dataset(table, directory)
    for _ in range(commits - 1):
        dataset.insert(table)
