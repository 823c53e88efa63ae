"""The sinks of the example: which source lands in which dataset, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from filelock import FileLock

from datamill_infra.model.errors import UnknownNameError
from datamill_pipelines.ingestion.contents import FLIGHTS, WEATHER
from datamill_pipelines.ingestion.weather_publisher import CLIENT_ID, QUEUE, TOPICS
from datamill_pipelines.stream.amqp_source import AmqpSource
from datamill_pipelines.stream.feeds import MessageFeed
from datamill_pipelines.stream.identified import IdentifiedLanding
from datamill_pipelines.stream.kafka_feed import FollowedTopic, KafkaFeed
from datamill_pipelines.stream.mqtt_source import MqttSource
from datamill_pipelines.stream.positioned import PositionedLanding
from datamill_pipelines.stream.sink import Limits, Sink, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from datamill_infra.model.home import Home
    from datamill_pipelines.connections import PlatformConnections
    from datamill_pipelines.stream.landing import BadMessages
    from datamill_pipelines.stream.messages import MessageSource

FLIGHTS_TOPIC = "flights"
Via = Literal["mqtt", "amqp"]


@dataclass(frozen=True)
class Options:
    """How a sink is run.

    Attributes:
        follow: for ever, instead of to where the source ends now.
        adopt: accept a recreated, truncated or gapped topic as it is.
        bad_messages: keep them as dead letters, or stop.
        via: protocol of ``raw/weather``.
        limits: of memory and time.
        facts: ``run_id``, ``code_version``, ``author`` of the commits.
    """

    follow: bool = False
    adopt: bool = False
    bad_messages: BadMessages = "keep"
    via: Via = "mqtt"
    limits: Limits = field(default_factory=Limits)
    facts: Mapping[str, str] = field(default_factory=dict)


def open_sink(platform: PlatformConnections, repo: str, options: Options) -> Sink:
    """A sink by the name of its dataset.

    Args:
        platform: connections.
        repo: e.g. ``"raw/flights"``.
        options: how it is run.

    Raises:
        UnknownNameError: no sink lands there.
        BlockedError: something it needs has not been deployed.
        UnhealthyError: something it needs does not answer.
    """
    if repo not in SINKS:
        raise UnknownNameError("sink", repo, SINKS)
    return SINKS[repo](platform, options)


def _flights(platform: PlatformConnections, options: Options) -> Sink:
    target = Target(platform.store(), "raw/flights", description="Flights as they were published", facts=options.facts)
    feed = (FollowedTopic if options.follow else KafkaFeed)(
        platform.get("kafka"),
        FLIGHTS_TOPIC,
        target.name,
        adopt=options.adopt,
        prefetch_bytes=options.limits.prefetch,
    )
    landing = PositionedLanding(FLIGHTS, dataset=target.name, bad_messages=options.bad_messages)
    return Sink(feed, landing, target, limits=options.limits)


def _weather(platform: PlatformConnections, options: Options) -> Sink:
    target = Target(platform.store(), "raw/weather", description="Hourly weather at the airports", facts=options.facts)
    connection = platform.get(options.via)
    if options.via == "mqtt":
        source: MessageSource = MqttSource(connection, CLIENT_ID, [TOPICS], owner=session_lock(platform.directory()))
    else:
        source = AmqpSource(connection, QUEUE)
    feed = MessageFeed(source, f"{options.via} {TOPICS if options.via == 'mqtt' else QUEUE}")
    landing = IdentifiedLanding(
        WEATHER, event_time="time_hour", window="month", dataset=target.name, bad_messages=options.bad_messages
    )
    return Sink(feed, landing, target, limits=options.limits)


def session_lock(home: Home) -> FileLock:
    """Held by who uses the MQTT session of ``raw/weather``: a broker throws the older of two users of a session out."""
    home.state_dir.mkdir(parents=True, exist_ok=True)
    return FileLock(home.state_dir / f"{CLIENT_ID}.lock")


SINKS: dict[str, Callable[[PlatformConnections, Options], Sink]] = {"raw/flights": _flights, "raw/weather": _weather}
"""Sinks by dataset."""
