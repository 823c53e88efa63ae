"""Checks of what is landed: schema, ranges, and whether it is what the source holds."""

# No postponed annotations here: Dagster looks at those of checks when they are defined.
from collections.abc import Iterator

import dagster as dg

from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.ingestion.checks import result

FLIGHTS, WEATHER = dg.AssetKey(["raw", "flights"]), dg.AssetKey(["raw", "weather"])


@dg.multi_asset_check(
    name="raw_flights_checks",
    specs=[
        dg.AssetCheckSpec(
            "flights_schema", asset=FLIGHTS, blocking=True, description="Declared columns are as declared."
        ),
        dg.AssetCheckSpec("flights_ranges", asset=FLIGHTS, description="Numbers are in their valid ranges."),
        dg.AssetCheckSpec(
            "flights_reconciled",
            asset=FLIGHTS,
            blocking=True,
            additional_deps=[["capability", "kafka"]],
            description="The topic, up to the landed positions, has as many records as are landed, good or bad.",
        ),
    ],
    can_subset=True,
)
def raw_flights_checks(
    context: dg.AssetCheckExecutionContext, platform: PlatformConnections
) -> Iterator[dg.AssetCheckResult]:
    """Look at the newest commit; count the topic by reading it."""
    from datamill_pipelines.ingestion import contents, valid  # noqa: PLC0415 - loads Arrow and Kafka's clients
    from datamill_pipelines.stream.reconciliation import reconcile  # noqa: PLC0415
    from datamill_pipelines.stream.sinks import FLIGHTS_TOPIC  # noqa: PLC0415

    selected = {key.name for key in context.selected_asset_check_keys}
    view = platform.store().commit_view("raw/flights@main")
    table = view.table()
    if "flights_schema" in selected:
        faults = valid.schema_faults(table, contents.FLIGHTS.declared)
        yield result(FLIGHTS, "flights_schema", faults, rows=table.num_rows)
    if "flights_ranges" in selected:
        yield _warned(FLIGHTS, "flights_ranges", valid.range_faults(table, contents.FLIGHT_RANGES))
    if "flights_reconciled" in selected:
        counted = reconcile(platform.get("kafka"), FLIGHTS_TOPIC, view)
        yield result(
            FLIGHTS,
            "flights_reconciled",
            counted.faults,
            topic_records=counted.records,
            rows=counted.rows,
            dead_letters=counted.dead_letters,
        )


@dg.multi_asset_check(
    name="raw_weather_checks",
    specs=[
        dg.AssetCheckSpec(
            "weather_schema", asset=WEATHER, blocking=True, description="Declared columns are as declared."
        ),
        dg.AssetCheckSpec("weather_ranges", asset=WEATHER, description="Numbers are in their valid ranges."),
        dg.AssetCheckSpec(
            "weather_reconciled",
            asset=WEATHER,
            blocking=True,
            description="Every observation of the published months is landed, and none twice.",
        ),
    ],
    can_subset=True,
)
def raw_weather_checks(
    context: dg.AssetCheckExecutionContext, platform: PlatformConnections
) -> Iterator[dg.AssetCheckResult]:
    """Look at the newest commit; compare ids with those of the published months."""
    from datamill_pipelines.ingestion import contents, valid  # noqa: PLC0415 - loads Arrow
    from datamill_pipelines.stream.identified import ID  # noqa: PLC0415
    from datamill_pipelines.stream.weather_ids import missing_observations  # noqa: PLC0415

    selected = {key.name for key in context.selected_asset_check_keys}
    store = platform.store()
    table = store.commit_view("raw/weather@main").table()
    if "weather_schema" in selected:
        faults = valid.schema_faults(table, contents.WEATHER.declared)
        yield result(WEATHER, "weather_schema", faults, rows=table.num_rows)
    if "weather_ranges" in selected:
        yield _warned(WEATHER, "weather_ranges", valid.range_faults(table, contents.WEATHER_RANGES))
    if "weather_reconciled" in selected:
        months = sorted(context.instance.get_materialized_partitions(dg.AssetKey(["events", "weather"])))
        missing = missing_observations(store, months)
        faults = valid.duplicate_faults(table.filter(table[ID].is_valid()), ID)
        if missing:
            faults.append(f"{len(missing)} observations are missing, the first of them {missing[0]}")
        yield result(WEATHER, "weather_reconciled", faults, rows=table.num_rows, months=len(months))


def _warned(asset: dg.AssetKey, check: str, faults: list[str]) -> dg.AssetCheckResult:
    """Odd data are landed all the same: a warning, and nothing waits for it."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=check,
        passed=not faults,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"faults": faults},
        description="; ".join(faults) or None,
    )


CHECKS = [raw_flights_checks, raw_weather_checks]
