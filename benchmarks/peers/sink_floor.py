"""The floor: the least a Python process can do between a topic and Parquet on S3, at least once, no more promises."""

import polars as pl
from confluent_kafka import Consumer
from sink_settings import PREFIX, ROWS_PER_FILE, TOPIC, TOTAL, ParquetBucket, consumer_settings

bucket = ParquetBucket()
consumer = Consumer(consumer_settings(f"floor-{PREFIX}") | {"fetch.min.bytes": "65536"})
consumer.subscribe([TOPIC])
taken, seen = [], 0


def flush() -> None:
    """One file, then the offsets."""
    frame = pl.read_ndjson(b"\n".join(taken))
    bucket.write(frame.to_arrow())
    consumer.commit(asynchronous=False)
    taken.clear()


while seen < TOTAL:
    for message in consumer.consume(10_000, timeout=1.0):
        if message.error() is None:
            taken.append(message.value())
            seen += 1
    if len(taken) >= ROWS_PER_FILE:
        flush()
if taken:
    flush()
consumer.close()
