"""Features by Spark: reads the commits' files where they are, writes its result to the same store.

Secrets of the object store are set on the running session. In its configuration at start they would be arguments of the
Java process, which every user of the machine can read.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from datamill_pipelines.batch.engine import FeatureEngine
from datamill_pipelines.batch.sources import COLUMNS, INSTANT
from datamill_pipelines.batch.spark_query import TABLES, feature_query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from pyspark.sql import SparkSession

    from datamill_pipelines.datasets import CommitView, DatasetStore

SCRATCH = "tmp"
"""Folder of the store for what is deleted before the commit."""

_TYPES = {"int64": "bigint", "double": "double", "string": "string", INSTANT: "timestamp"}


class SparkEngine(FeatureEngine):
    """Spark SQL over the commits' Parquet files.

    Args:
        session: opens a session that can read and write the store.
        store: where the commits are, and where the result goes before it is committed.
    """

    name = "spark"

    def __init__(self, session: Callable[[], AbstractContextManager[SparkSession]], store: DatasetStore) -> None:
        self._session = session
        self._store = store

    def _compute(self, raw: Mapping[str, CommitView], first_day: int, last_day: int) -> pa.Table:
        folder = f"{SCRATCH}/spark-{uuid.uuid4().hex}"
        try:
            with self._session() as spark:
                for name in TABLES:
                    columns = COLUMNS[f"raw/{name}"]
                    schema = ", ".join(f"{column} {_TYPES[kind]}" for column, kind in columns.items())
                    files = raw[f"raw/{name}"].uris()
                    spark.read.schema(schema).parquet(*files).createOrReplaceTempView(name)
                features = spark.sql(feature_query(first_day, last_day))
                features.write.parquet(self._store.objects.uri(f"{folder}/features"))
            return self._read(folder)
        finally:
            self._store.objects.delete([item.key for item in self._store.objects.scan(folder)])

    def _read(self, folder: str) -> pa.Table:
        keys = sorted(item.key for item in self._store.objects.scan(folder) if item.key.endswith(".parquet"))
        return pa.concat_tables(pq.read_table(pa.BufferReader(data)) for data in self._store.objects.get_many(keys))
