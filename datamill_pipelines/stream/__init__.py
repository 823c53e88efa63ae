"""Sinks: from messages to commits, exactly once.

One engine (:mod:`~datamill_pipelines.stream.sink`) lands what a source delivers in a dataset. Kafka records have
positions, and positions decide where a record lies in the dataset (:mod:`~datamill_pipelines.stream.positioned`);
MQTT and AMQP messages have ids, and the dataset is the set of them (:mod:`~datamill_pipelines.stream.identified`).
Bytes become columns in :mod:`~datamill_pipelines.stream.codec`. What is promised, and how, is in ``docs/sinks.md``.
"""
