"""Replays and sinks of the example as children that tests kill. See :mod:`faults.workshop`."""

from __future__ import annotations

import os
import signal

from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.datasets import open_store
from datamill_pipelines.ingestion.contents import FLIGHTS, WEATHER
from datamill_pipelines.ingestion.flight_replay import FlightReplay
from datamill_pipelines.ingestion.pacing import Pace
from datamill_pipelines.stream.feeds import MessageFeed
from datamill_pipelines.stream.identified import IdentifiedLanding
from datamill_pipelines.stream.kafka_feed import FollowedTopic, KafkaFeed
from datamill_pipelines.stream.mqtt_source import MqttSource
from datamill_pipelines.stream.positioned import PositionedLanding
from datamill_pipelines.stream.sink import Limits, Sink, Target, stopped_by_signals


def perform(role: str, capability: str, connection: dict[str, object], **task: object) -> None:
    """Do a task against a broker."""
    broker = ResolvedConnection(capability, "broker", connection)
    {"replay": replay, "sink": sink, "follow": follow, "weather": weather}[role](task, broker)


def replay(task: dict[str, object], connection: ResolvedConnection) -> None:
    FlightReplay(connection, str(task["topic"]), pace=Pace(most=int(task.get("most", 5_000)))).run(task["months"])


def sink(task: dict[str, object], connection: ResolvedConnection) -> None:
    name = f"{task['repo']}@main"
    feed = KafkaFeed(connection, str(task["topic"]), name)
    target = Target(open_store(str(task["store"])), str(task["repo"]))
    limits = Limits(memory=task.get("memory", 1 << 20), interval=0.1)
    Sink(feed, PositionedLanding(FLIGHTS, dataset=name), target, limits=limits).run()


def follow(task: dict[str, object], connection: ResolvedConnection) -> None:
    name = f"{task['repo']}@main"
    feed = FollowedTopic(connection, str(task["topic"]), name)
    target = Target(open_store(str(task["store"])), str(task["repo"]))
    with stopped_by_signals() as stop:
        Sink(feed, PositionedLanding(FLIGHTS, dataset=name), target, limits=Limits(interval=0.3)).follow(stop)


def weather(task: dict[str, object], connection: ResolvedConnection) -> None:
    name = f"{task['repo']}@main"
    feed = MessageFeed(MqttSource(connection, str(task["client"]), [str(task["topic"])]), "weather")
    landing = IdentifiedLanding(WEATHER, event_time="time_hour", window="month", dataset=name)
    target = Target(open_store(str(task["store"])), str(task["repo"]))

    def die(*_: object) -> None:
        if task.get("die"):
            os.kill(os.getpid(), signal.SIGKILL)

    Sink(feed, landing, target, limits=Limits(interval=0.2), on_commit=die).run()
