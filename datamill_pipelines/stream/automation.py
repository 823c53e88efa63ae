"""What lands without being asked: a schedule for weather, a sensor for the lag of the flights' topic."""

# No postponed annotations here: Dagster looks at those of sensors when they are defined.
import os
import time

import dagster as dg

from datamill_infra.model.errors import DatamillError
from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.executor import IN_A_POD
from datamill_pipelines.jobs import FLIGHT_DELAY, pipeline_job

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

ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
UNFINISHED = [status for status in dg.DagsterRunStatus if status not in ENDED]
AGAIN_SECONDS = 300
"""How long after a request the same end of the topic is asked for again, should its run have failed."""


WEATHER_MINUTES = 10 if IN_A_POD in os.environ else 1
"""Between two runs; in a cluster each of them is three pods or more."""


def is_at_work(instance: dg.DagsterInstance, *jobs: str) -> bool:
    """Whether a run of one of the jobs waits or runs. Another one would land nothing more, and hold up the queue."""
    return any(instance.get_runs(dg.RunsFilter(job_name=job, statuses=UNFINISHED), limit=1) for job in jobs)


@dg.schedule(
    job=LAND_WEATHER,
    cron_schedule=f"*/{WEATHER_MINUTES} * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=f"Lands weather, every {WEATHER_MINUTES} min, as long as the broker and the datasets are deployed.",
)
def weather_regularly(
    context: dg.ScheduleEvaluationContext, platform: PlatformConnections
) -> dg.RunRequest | dg.SkipReason:
    """Skip while there is nothing to land from or to (a run could only say so), and while an earlier run is at it."""
    if is_at_work(context.instance, LAND_WEATHER.name, LAND.name, FLIGHT_DELAY):
        return dg.SkipReason("An earlier run has not finished.")
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
def flights_lag(context: dg.SensorEvaluationContext, platform: PlatformConnections) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run per end of the topic, and for the same end again only after a while."""
    from datamill_pipelines.stream.lag import topic_lag  # noqa: PLC0415 - loads Kafka's clients
    from datamill_pipelines.stream.sinks import FLIGHTS_TOPIC  # noqa: PLC0415

    if is_at_work(context.instance, LAND_FLIGHTS.name, LAND.name, FLIGHT_DELAY):
        return dg.SkipReason("An earlier run has not finished.")
    try:
        lag = topic_lag(platform.get("kafka"), FLIGHTS_TOPIC, platform.store(), "raw/flights@main")
    except DatamillError as error:
        return dg.SkipReason(f"{error.reason} {error.instruction}")
    if not lag.offsets:
        return dg.SkipReason("Everything in the topic is landed.")
    return dg.RunRequest(
        run_key=f"{lag.key}/{int(time.time() // AGAIN_SECONDS)}", tags={"datamill/lag": str(lag.offsets)}
    )
