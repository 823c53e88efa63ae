"""The rows of the bench's table: what goes wrong, in the order in which it is told."""

from __future__ import annotations

from enum import Enum


class Row(Enum):
    """A class of faults; the value is how the table names it."""

    KILL_INDEX = "SIGKILL of the sink, every operation of its doors"
    KILL_RANDOM = "SIGKILL of the sink, random instants"
    POWER = "power loss, all cut points"
    S3 = "S3 errors, resets, silence, short bodies, bad ETags"
    PAUSED = "paused writer, taken over, resumed"
    CHURN = "group members join, leave, pause, die"
    BROKER_KILLED = "Kafka killed"
    OFFSETS_DELETED = "group offsets deleted"
    BROKER_PAUSED = "Kafka paused"
    RECREATED = "topic recreated"
    RETENTION = "retention passed the position"
    ABORTED = "aborted transactions interleaved"
    CONTENTION = "processes commit to one branch at once"
    MODEL = "random operations against a model"
    GC = "gc beside writers, killed in the middle"
    DAMAGE = "a flipped, truncated or swapped object"
    REFUSED = "disk full, EIO, too many open files"
    MQTT_BROKER = "MQTT broker killed"
    MQTT_CLIENT = "MQTT client killed between commit and ack"
    AMQP_BROKER = "AMQP broker killed"
    AMQP_CLIENT = "AMQP client killed between commit and ack"
    RACES = "a store whose conditional writes race"
