"""The sinks of the example: which source lands in which dataset, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from filelock import FileLock

from datamill_infra.model.errors import ConfigurationError, UnknownNameError
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
    from datamill_pipelines.datasets.commits import Commit
    from datamill_pipelines.stream.landing import BadMessages, Counts
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
        via: the protocol of the messages, where there is a choice; the first that the sink knows when ``None``.
        limits: of memory and time.
        facts: ``run_id``, ``code_version``, ``author`` of the commits.
        on_commit: told each commit, before it is acknowledged to the source.
    """

    follow: bool = False
    adopt: bool = False
    bad_messages: BadMessages = "keep"
    via: Via | None = None
    limits: Limits = field(default_factory=Limits)
    facts: Mapping[str, str] = field(default_factory=dict)
    on_commit: Callable[[Commit, Counts], None] | None = None


@dataclass(frozen=True)
class Described:
    """A sink, before it is opened.

    Attributes:
        summary: what it lands.
        protocols: capabilities that its messages may come through; the first unless another is asked for.
        make: opens it, through one of them.
    """

    summary: str
    protocols: tuple[str, ...]
    make: Callable[[PlatformConnections, Options, str], Sink]

    def protocol(self, via: str | None) -> str:
        """The capability that its messages come through.

        Raises:
            ConfigurationError: they cannot come through that one.
        """
        if via is not None and via not in self.protocols:
            raise ConfigurationError(
                f"{self.summary} do not come through {via}.",
                instruction=f"Leave the choice out, or choose of: {', '.join(self.protocols)}.",
            )
        return via or self.protocols[0]

    def needs(self, via: str | None) -> tuple[str, ...]:
        """The capabilities that it needs."""
        return (self.protocol(via), "datasets")


def described(repo: str) -> Described:
    """A sink by the name of its dataset.

    Raises:
        UnknownNameError: no sink lands there.
    """
    if repo not in SINKS:
        raise UnknownNameError("sink", repo, SINKS)
    return SINKS[repo]


def open_sink(platform: PlatformConnections, repo: str, options: Options) -> Sink:
    """Open a sink by the name of its dataset.

    Args:
        platform: connections.
        repo: e.g. ``"raw/flights"``.
        options: how it is run.

    Raises:
        UnknownNameError: no sink lands there.
        ConfigurationError: its messages cannot come through the chosen protocol.
        BlockedError: something it needs has not been deployed.
        UnhealthyError: something it needs does not answer.
    """
    sink = described(repo)
    return sink.make(platform, options, sink.protocol(options.via))


def _flights(platform: PlatformConnections, options: Options, protocol: str) -> Sink:
    target = Target(platform.store(), "raw/flights", description="Flights as they were published", facts=options.facts)
    feed = (FollowedTopic if options.follow else KafkaFeed)(
        platform.get(protocol),
        FLIGHTS_TOPIC,
        target.name,
        adopt=options.adopt,
        prefetch_bytes=options.limits.prefetch,
    )
    landing = PositionedLanding(FLIGHTS, dataset=target.name, bad_messages=options.bad_messages)
    return Sink(feed, landing, target, limits=options.limits, on_commit=options.on_commit)


def _weather(platform: PlatformConnections, options: Options, protocol: str) -> Sink:
    target = Target(platform.store(), "raw/weather", description="Hourly weather at the airports", facts=options.facts)
    connection = platform.get(protocol)
    if protocol == "mqtt":
        source: MessageSource = MqttSource(connection, CLIENT_ID, [TOPICS], owner=session_lock(platform.directory()))
    else:
        source = AmqpSource(connection, QUEUE)
    feed = MessageFeed(source, f"{protocol} {TOPICS if protocol == 'mqtt' else QUEUE}", protocol=protocol)
    landing = IdentifiedLanding(
        WEATHER, event_time="time_hour", window="month", dataset=target.name, bad_messages=options.bad_messages
    )
    return Sink(feed, landing, target, limits=options.limits, on_commit=options.on_commit)


def session_lock(home: Home) -> FileLock:
    """Held by who uses the MQTT session of ``raw/weather``: a broker throws the older of two users of a session out."""
    home.state_dir.mkdir(parents=True, exist_ok=True)
    return FileLock(home.state_dir / f"{CLIENT_ID}.lock")


SINKS: dict[str, Described] = {
    "raw/flights": Described(f"Records of the topic {FLIGHTS_TOPIC}", ("kafka",), _flights),
    "raw/weather": Described(f"Messages of {TOPICS} or of the queue {QUEUE}", ("mqtt", "amqp"), _weather),
}
"""Sinks by dataset."""
