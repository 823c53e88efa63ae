"""The same sink as a bytewax dataflow: Kafka source, json.loads, batches, one Parquet file a batch."""

import json
from datetime import timedelta

import bytewax.operators as op
import pyarrow as pa
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main
from confluent_kafka import OFFSET_BEGINNING
from sink_settings import PREFIX, ROWS_PER_FILE, SCHEMA, TOPIC, ParquetBucket, consumer_settings


class ParquetPartition(StatelessSinkPartition):
    """Writes each batch of rows as a file."""

    def __init__(self) -> None:
        self.bucket = ParquetBucket()

    def write_batch(self, items: list) -> None:
        """Items are keyed lists of rows."""
        for _, rows in items:
            self.bucket.write(pa.Table.from_pylist(rows, schema=SCHEMA))


class ParquetSink(DynamicSink):
    """One partition a worker."""

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> ParquetPartition:
        """The only worker's partition."""
        return ParquetPartition()


settings = consumer_settings(f"bytewax-{PREFIX}")
brokers = [settings.pop("bootstrap.servers")]
for owned in ("group.id", "auto.offset.reset", "enable.auto.commit"):
    settings.pop(owned)
flow = Dataflow("sink")
source = KafkaSource(
    brokers, [TOPIC], tail=False, starting_offset=OFFSET_BEGINNING, add_config=settings, batch_size=10_000
)
messages = op.input("kafka", flow, source)
rows = op.map("json", messages, lambda message: ("all", json.loads(message.value)))
batches = op.collect("batch", rows, timeout=timedelta(seconds=30), max_size=ROWS_PER_FILE)
op.output("parquet", batches, ParquetSink())
run_main(flow)
