"""What every sink of the comparison is given, read from the environment: the same topic, the same object store."""

import io
import os

import boto3
import pyarrow as pa
import pyarrow.parquet as pq

TOPIC = os.environ["BENCH_TOPIC"]
TOTAL = int(os.environ["BENCH_TOTAL"])
BUCKET = os.environ["BENCH_BUCKET"]
PREFIX = os.environ["BENCH_PREFIX"]
ROWS_PER_FILE = int(os.environ.get("BENCH_ROWS_PER_FILE", "250000"))
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("user", pa.string()),
        ("kind", pa.string()),
        ("amount", pa.float64()),
        ("at", pa.string()),
        ("session", pa.string()),
        ("ok", pa.bool_()),
    ],
)


def consumer_settings(group: str) -> dict[str, str]:
    """Librdkafka settings of a consumer that starts at the beginning and commits by hand."""
    return {
        "bootstrap.servers": os.environ["BENCH_BOOTSTRAP"],
        "security.protocol": os.environ["BENCH_SECURITY_PROTOCOL"],
        "sasl.mechanism": os.environ["BENCH_SASL_MECHANISM"],
        "sasl.username": os.environ["BENCH_USERNAME"],
        "sasl.password": os.environ["BENCH_PASSWORD"],
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": "false",
    }


class ParquetBucket:
    """Numbered Parquet files under the run's prefix."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "s3",
            endpoint_url=os.environ["BENCH_S3_ENDPOINT"],
            aws_access_key_id=os.environ["BENCH_ACCESS_KEY"],
            aws_secret_access_key=os.environ["BENCH_SECRET_KEY"],
            region_name="us-east-1",
            verify=False,
        )
        self.written = 0

    def write(self, table: pa.Table) -> None:
        """Put one file."""
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        self.client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{self.written:06d}.parquet", Body=buffer.getvalue())
        self.written += 1
