"""Replays and sinks as processes of their own, for tests that kill them. Run as a script; see :func:`main`."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback

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


def main() -> None:
    """Take commands, one JSON document per line: start a task in a child that has all loaded, or wait for one."""
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        if "wait" in command:
            _, status = os.waitpid(command["wait"], 0)
            print(json.dumps({"exit": os.waitstatus_to_exitcode(status)}), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            os._exit(perform(command))
        print(json.dumps({"pid": pid}), flush=True)


def perform(task: dict[str, object]) -> int:
    """Do a task; the exit code says whether it succeeded."""
    connection = ResolvedConnection(task["capability"], "broker", task["connection"])
    try:
        {"replay": replay, "sink": sink, "follow": follow, "weather": weather}[task["role"]](task, connection)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


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


if __name__ == "__main__":
    main()
