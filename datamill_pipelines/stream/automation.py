"""What lands without being asked: a schedule for weather, a sensor for the lag of the flights' topic."""

# No postponed annotations here: Dagster looks at those of sensors when they are defined.
import dagster as dg

from datamill_infra.model.errors import DatamillError
from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.jobs import pipeline_job

LAND_FLIGHTS = pipeline_job(
    "land_flights",
    dg.AssetSelection.assets(["raw", "flights"]),
    description="Every record of the topic `flights` is in `raw/flights`.",
)
LAND_WEATHER = pipeline_job(
    "land_weather",
    dg.AssetSelection.assets(["raw", "weather"]),
    description="Every published observation is in `raw/weather`.",
)
LAND = pipeline_job(
    "land",
    dg.AssetSelection.assets(["raw", "flights"], ["raw", "weather"]),
    description="Everything that came through the brokers is in `raw/flights` and `raw/weather`.",
)


@dg.schedule(
    job=LAND_WEATHER,
    cron_schedule="* * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Lands weather every minute, as long as the broker and the datasets are deployed.",
)
def weather_every_minute(platform: PlatformConnections) -> dg.RunRequest | dg.SkipReason:
    """Skip while there is nothing to land from or to: a run could only say so."""
    try:
        platform.get("mqtt")
        platform.get("datasets")
    except DatamillError as error:
        return dg.SkipReason(f"{error.reason} {error.instruction}")
    return dg.RunRequest()


@dg.sensor(
    job=LAND_FLIGHTS,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Lands flights when the topic has records behind the landed positions.",
)
def flights_lag(platform: PlatformConnections) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run per end of the topic: equal offsets are one request, however often they are seen."""
    from datamill_pipelines.stream.lag import topic_lag  # noqa: PLC0415 - loads Kafka's clients
    from datamill_pipelines.stream.sinks import FLIGHTS_TOPIC  # noqa: PLC0415

    try:
        lag = topic_lag(platform.get("kafka"), FLIGHTS_TOPIC, platform.store(), "raw/flights@main")
    except DatamillError as error:
        return dg.SkipReason(f"{error.reason} {error.instruction}")
    if not lag.offsets:
        return dg.SkipReason("Everything in the topic is landed.")
    return dg.RunRequest(run_key=lag.key, tags={"datamill/lag": str(lag.offsets)})
