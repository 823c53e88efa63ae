"""Assets of ingestion: events in the brokers, reference tables in commits."""

# No postponed annotations here: Dagster looks at those of assets when they are defined.
from typing import TYPE_CHECKING

import dagster as dg

from datamill_infra.model.told import SUMMARY, told
from datamill_pipelines.code_version import code_version
from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.datasets.dagster_metadata import data_version, table_schema, view_metadata
from datamill_pipelines.ingestion.contents import AIRPORTS, FLIGHTS, PLANES, WEATHER
from datamill_pipelines.partitions import months
from datamill_pipelines.pools import MQTT_SESSION

if TYPE_CHECKING:
    from datamill_pipelines.datasets import Commit
    from datamill_pipelines.ingestion.flight_replay import Replayed
    from datamill_pipelines.stream.schema import Column

GROUP = "ingestion"
OWNERS = ["team:data"]


class ReplayConfig(dg.Config):
    """How events are replayed.

    Attributes:
        speed: seconds of event time per second; 0 is as fast as possible.
    """

    speed: float = 0.0


class WeatherConfig(ReplayConfig):
    """How observations are published.

    Attributes:
        via: protocol, ``mqtt`` or ``amqp``.
    """

    via: str = "mqtt"


@dg.asset(
    key=["events", "flights"],
    partitions_def=months,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[["capability", "kafka"]],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"kafka", "json"},
    description="Every flight of the month is in the topic `flights`, once, in the order of the source file.",
)
def events_flights(
    context: dg.AssetExecutionContext, platform: PlatformConnections, config: ReplayConfig
) -> dg.MaterializeResult[None]:
    """Replay the months that the run asks for; what is there already is not sent again."""
    from datamill_pipelines.ingestion.flight_replay import TOPIC, FlightReplay  # noqa: PLC0415 - loads Kafka's clients
    from datamill_pipelines.ingestion.pacing import Pace  # noqa: PLC0415

    replayed = FlightReplay(platform.get("kafka"), pace=Pace(config.speed)).run(context.partition_keys)
    for month in context.partition_keys:
        added, present = replayed.sent[month], replayed.present[month]
        context.add_asset_metadata({"dagster/row_count": added + present, "rows_added": added}, partition_key=month)
    return dg.MaterializeResult(
        metadata={
            **told(_replayed(replayed), changed=any(replayed.sent.values())),
            "topic": TOPIC,
            "rows_added": sum(replayed.sent.values()),
            "rows_present_before": sum(replayed.present.values()),
            "dagster/column_schema": _columns(FLIGHTS.declared),
        },
        data_version=_release(),
    )


@dg.asset(
    key=["events", "weather"],
    partitions_def=months,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[["capability", "mqtt"]],
    pool=MQTT_SESSION,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"mqtt", "json"},
    description="Every hourly observation of the month is published to `weather/<station>` with an id of its own.",
)
def events_weather(
    context: dg.AssetExecutionContext, platform: PlatformConnections, config: WeatherConfig
) -> dg.MaterializeResult[None]:
    """Publish the months that the run asks for; ids make a second time harmless."""
    from datamill_pipelines.ingestion import weather_publisher as weather  # noqa: PLC0415 - loads the clients
    from datamill_pipelines.ingestion.pacing import Pace  # noqa: PLC0415
    from datamill_pipelines.stream.sinks import session_lock  # noqa: PLC0415

    outlet = weather.open_outlet(platform.get(config.via), session_lock(platform.directory()))
    published = weather.WeatherPublisher(outlet, Pace(config.speed)).run(context.partition_keys)
    for month in context.partition_keys:
        context.add_asset_metadata({"dagster/row_count": published[month]}, partition_key=month)
    return dg.MaterializeResult(
        metadata={
            # Whether that is news is for the sink to say: a broker does not know what it had before.
            SUMMARY: f"{sum(published.values()):,} sent, each with its id",
            "via": config.via,
            "messages": sum(published.values()),
            "dagster/column_schema": _columns(WEATHER.declared),
        },
        data_version=_release(),
    )


@dg.asset(
    key=["raw", "planes"],
    deps=[["capability", "datasets"]],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet"},
    description="Aircraft by tail number, as a commit of `raw/planes`.",
)
def raw_planes(context: dg.AssetExecutionContext, platform: PlatformConnections) -> dg.MaterializeResult[None]:
    """Load the table; an equal one makes no commit."""
    from datamill_pipelines.ingestion.reference import load_planes  # noqa: PLC0415 - loads the dataset store

    return _loaded(platform, "raw/planes", load_planes(platform.store(), _facts(context)), PLANES)


@dg.asset(
    key=["raw", "airports"],
    deps=[["capability", "datasets"]],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet"},
    description="Airports by FAA code, as a commit of `raw/airports`.",
)
def raw_airports(context: dg.AssetExecutionContext, platform: PlatformConnections) -> dg.MaterializeResult[None]:
    """Load the table; an equal one makes no commit."""
    from datamill_pipelines.ingestion.reference import load_airports  # noqa: PLC0415 - loads the dataset store

    return _loaded(platform, "raw/airports", load_airports(platform.store(), _facts(context)), AIRPORTS)


def _replayed(replayed: "Replayed") -> str:
    added, present = sum(replayed.sent.values()), sum(replayed.present.values())
    return f"{added:,} added to {present:,}" if added and present else f"{added + present:,} in the topic"


def _release() -> dg.DataVersion:
    from datamill_pipelines.ingestion import nycflights  # noqa: PLC0415 - loads Polars

    return dg.DataVersion(nycflights.release())


def _facts(context: dg.AssetExecutionContext) -> dict[str, str]:
    return {"run_id": context.run.run_id, "code_version": code_version(), "author": "team:data"}


def _loaded(
    platform: PlatformConnections, repo: str, commit: "Commit | None", columns: "tuple[Column, ...]"
) -> dg.MaterializeResult[None]:
    view = platform.store().commit_view(f"{repo}@main")
    return dg.MaterializeResult(
        metadata={
            **view_metadata(view),
            **told(f"commit {view.id[:12]}", changed=commit is not None),
            "dagster/column_schema": _columns(columns),
        },
        data_version=data_version(view),
    )


def _columns(columns: "tuple[Column, ...]") -> dg.TableSchema:
    described = {column.name: column.description for column in columns}
    return table_schema(tuple((column.name, column.type, not column.required) for column in columns), described)


ASSETS = [events_flights, events_weather, raw_planes, raw_airports]
