"""Spark, installed for whoever starts a driver."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from embedded.room import Platform

from datamill_infra.capabilities import s3, spark
from datamill_infra.model.errors import UnhealthyError

pytestmark = pytest.mark.timeout(600)

# In a process of its own, with what `datamill shell` gives it; the keys come by its standard input.
SCRIPT = """
import json, sys
from pyspark.sql import SparkSession

s3 = json.load(sys.stdin)
session = (
    SparkSession.builder.config("spark.ui.enabled", "false")
    .config("spark.hadoop.fs.s3a.endpoint", s3["endpoint"])
    .config("spark.hadoop.fs.s3a.endpoint.region", s3["region"])
    .config("spark.hadoop.fs.s3a.path.style.access", "true")
    .config("spark.hadoop.fs.s3a.access.key", s3["access_key"])
    .config("spark.hadoop.fs.s3a.secret.key", s3["secret_key"])
    .getOrCreate()
)
session.range(1000).write.mode("overwrite").parquet("s3a://tests/spark")
print(json.dumps({"master": session.sparkContext.master, "rows": session.read.parquet("s3a://tests/spark").count()}))
session.stop()
"""


@pytest.mark.long
def test_a_driver_writes_and_reads_the_object_store(platform: Platform, tmp_path: Path) -> None:
    connection, store = platform.connection("spark"), platform.connection("s3")
    s3.provision(store, {"bucket": "tests"})
    finished = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(dict(store.values)),
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)} | spark.environment(connection),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert json.loads(finished.stdout.splitlines()[-1]) == {"master": "local[2]", "rows": 1000}


def test_a_damaged_jar_is_found_and_repaired_by_the_next_up(platform: Platform) -> None:
    connection = platform.connection("spark")
    jar = next(Path(connection.text("jars")).glob("hadoop-aws-*.jar"))
    intact = jar.read_bytes()
    jar.unlink()  # not overwritten: the cache has the same file under another name
    jar.write_bytes(intact[:1000])
    with pytest.raises(UnhealthyError, match="its content has changed"):
        spark.probe(connection, timeout=60)
    assert platform.up("spark")["spark"].status == "changed"
    spark.probe(connection, timeout=60)
    assert jar.read_bytes() == intact
