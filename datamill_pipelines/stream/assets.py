"""Assets of the sinks: what came through the brokers, as commits."""

# No postponed annotations here: Dagster looks at those of assets when they are defined.
import time
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg

from datamill_infra.model.told import told
from datamill_pipelines.code_version import code_version
from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.pools import MQTT_SESSION

if TYPE_CHECKING:
    from datamill_pipelines.stream.schema import Column
    from datamill_pipelines.stream.sink import Landed

GROUP = "stream"
OWNERS = ["team:data"]
PATIENCE_SECONDS = 60.0
"""How long the landing of weather waits for messages that this run has published."""


class LandConfig(dg.Config):
    """How a source is landed.

    Attributes:
        bad_messages: ``keep`` them as dead letters, or ``stop`` at the first.
        adopt: accept a topic that was recreated or truncated, or that lost records before they were landed.
    """

    bad_messages: Literal["keep", "stop"] = "keep"
    adopt: bool = False


class LandWeatherConfig(LandConfig):
    """How weather is landed.

    Attributes:
        via: protocol.
    """

    via: Literal["mqtt", "amqp"] = "mqtt"


@dg.asset(
    key=["raw", "flights"],
    deps=[["events", "flights"], ["capability", "kafka"], ["capability", "datasets"]],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"kafka", "parquet"},
    description="Every record of the topic `flights` is in a commit of `raw/flights`, exactly once.",
)
def raw_flights(
    context: dg.AssetExecutionContext, platform: PlatformConnections, config: LandConfig
) -> dg.MaterializeResult[None]:
    """Land what is in the topic now."""
    from datamill_pipelines.ingestion.contents import FLIGHTS  # noqa: PLC0415 - a process that only looks needs no clients
    from datamill_pipelines.stream.sinks import Options, open_sink  # noqa: PLC0415

    options = Options(adopt=config.adopt, bad_messages=config.bad_messages, facts=_facts(context))
    landed = open_sink(platform, "raw/flights", options).run()
    return _result(platform, "raw/flights", landed, FLIGHTS.declared)


@dg.asset(
    key=["raw", "weather"],
    deps=[["events", "weather"], ["capability", "mqtt"], ["capability", "datasets"]],
    pool=MQTT_SESSION,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"mqtt", "parquet"},
    description="Every published observation is in a commit of `raw/weather`, exactly once by its id.",
)
def raw_weather(
    context: dg.AssetExecutionContext, platform: PlatformConnections, config: LandWeatherConfig
) -> dg.MaterializeResult[None]:
    """Land what the broker keeps for us, and at least what this run has published."""
    from datamill_infra.model.errors import UnhealthyError  # noqa: PLC0415
    from datamill_pipelines.ingestion.contents import WEATHER  # noqa: PLC0415
    from datamill_pipelines.stream.sinks import Options, open_sink  # noqa: PLC0415
    from datamill_pipelines.stream.weather_ids import missing_observations  # noqa: PLC0415

    options = Options(adopt=config.adopt, bad_messages=config.bad_messages, via=config.via, facts=_facts(context))
    deadline = time.monotonic() + PATIENCE_SECONDS
    landed = open_sink(platform, "raw/weather", options).run()
    # A broker without positions cannot say that nothing more is coming; what was published in this run must come.
    while missing := missing_observations(platform.store(), _published(context)):
        if time.monotonic() > deadline:
            raise UnhealthyError(
                f"{len(missing)} observations that were published in this run did not arrive within"
                f" {PATIENCE_SECONDS:.0f} s, the first of them {missing[0]}.",
                instruction="Run `datamill status` to see the broker's state, then `datamill run land`.",
            )
        more = open_sink(platform, "raw/weather", options).run()
        landed.counts += more.counts
        landed.commits += more.commits
    return _result(platform, "raw/weather", landed, WEATHER.declared)


def _published(context: dg.AssetExecutionContext) -> list[str]:
    """Months of weather that this very run has published."""
    records = context.instance.fetch_materializations(dg.AssetKey(["events", "weather"]), limit=100).records
    ours = {record.partition_key for record in records if record.run_id == context.run.run_id}
    return sorted(month for month in ours if month)


def _facts(context: dg.AssetExecutionContext) -> dict[str, str]:
    return {"run_id": context.run.run_id, "code_version": code_version(), "author": "team:data"}


def _result(
    platform: PlatformConnections, repo: str, landed: "Landed", columns: tuple["Column", ...]
) -> dg.MaterializeResult[None]:
    from datamill_pipelines.datasets.dagster_metadata import data_version, table_schema, view_metadata  # noqa: PLC0415
    from datamill_pipelines.datasets.errors import NotFoundError  # noqa: PLC0415

    facts: dict[str, Any] = {
        "rows_landed": landed.counts.rows,
        "dead_letters": landed.counts.dead_letters,
        "known_messages": landed.counts.known,
        "commits": len(landed.commits),
        "seconds": round(landed.seconds, 2),
    }
    described = {column.name: column.description for column in columns}
    declared = tuple((column.name, column.type, not column.required) for column in columns)
    try:
        view = platform.store().commit_view(f"{repo}@main")
    except NotFoundError:
        # The source is empty and always was.
        schema = table_schema(declared, described)
        facts |= told("nothing has come yet", changed=False)
        return dg.MaterializeResult(metadata={**facts, "dagster/row_count": 0, "dagster/column_schema": schema})
    accepted = tuple(column for file in view.files() for column in file.schema or () if column[0] not in described)
    schema = table_schema((*declared, *dict.fromkeys(accepted)), described)
    facts |= told(f"commit {view.id[:12]}", changed=bool(landed.commits))
    return dg.MaterializeResult(
        metadata={**view_metadata(view), **facts, "dagster/column_schema": schema}, data_version=data_version(view)
    )


ASSETS = [raw_flights, raw_weather]
