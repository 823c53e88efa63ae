"""The plain loop people write: poll, json.loads, a list, from_pylist, write, commit."""

import json

import pyarrow as pa
from confluent_kafka import Consumer
from sink_settings import PREFIX, ROWS_PER_FILE, SCHEMA, TOPIC, TOTAL, ParquetBucket, consumer_settings

bucket = ParquetBucket()
consumer = Consumer(consumer_settings(f"plain-{PREFIX}"))
consumer.subscribe([TOPIC])
rows, seen = [], 0
while seen < TOTAL:
    message = consumer.poll(1.0)
    if message is None or message.error() is not None:
        continue
    rows.append(json.loads(message.value()))
    seen += 1
    if len(rows) >= ROWS_PER_FILE or seen == TOTAL:
        bucket.write(pa.Table.from_pylist(rows, schema=SCHEMA))
        consumer.commit(asynchronous=False)
        rows = []
consumer.close()
