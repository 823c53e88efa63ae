"""The topic, as it is now, into commits of a versioned dataset, exactly once."""

from __future__ import annotations

from benchmarks.ours_settings import DATASETS, EVENTS, KAFKA, TOPIC, TOTAL
from datamill_pipelines.datasets import open_store
from datamill_pipelines.stream.kafka_feed import KafkaFeed
from datamill_pipelines.stream.positioned import PositionedLanding
from datamill_pipelines.stream.sink import Limits, Sink, Target

REPO = "bench/events"
limits = Limits()
with open_store(DATASETS) as store:
    target = Target(store, REPO)
    feed = KafkaFeed(KAFKA, TOPIC, f"{DATASETS.text('url')}/{target.name}", prefetch_bytes=limits.prefetch)
    landed = Sink(feed, PositionedLanding(EVENTS, dataset=target.name), target, limits=limits).run()
if landed.counts.rows != TOTAL:
    raise SystemExit(f"{landed.counts.rows} rows of {TOTAL} were landed")
