"""N commits of 1,000 rows to an Iceberg table with a SQLite catalogue. Arguments: directory, commits."""

import sys
from pathlib import Path

import pyarrow as pa
from gate import measured
from pyiceberg.catalog.sql import SqlCatalog

directory, commits = Path(sys.argv[1]), int(sys.argv[2])
directory.mkdir(parents=True, exist_ok=True)
table = pa.table({"id": pa.array(range(1000), pa.int64()), "value": pa.array([i * 0.5 for i in range(1000)])})
catalog = SqlCatalog("bench", uri=f"sqlite:///{directory}/catalog.db", warehouse=f"file://{directory}")
catalog.create_namespace("bench")
target = catalog.create_table("bench.rows", schema=table.schema)
with measured():
    for _ in range(commits):
        target.append(table)
