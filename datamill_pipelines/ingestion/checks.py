"""Checks of ingestion: each flight is in the topic once; reference tables hold what is declared."""

# No postponed annotations here: Dagster looks at those of checks when they are defined.
from collections.abc import Iterator
from typing import Any

import dagster as dg

from datamill_pipelines.connections import PlatformConnections

PLANES, AIRPORTS = dg.AssetKey(["raw", "planes"]), dg.AssetKey(["raw", "airports"])


@dg.asset_check(
    asset=["events", "flights"],
    additional_deps=[["capability", "kafka"]],
    name="flights_once",
    blocking=True,
    description="Every row that the replay says is in the topic is there once, and no other.",
)
def flights_once(platform: PlatformConnections) -> dg.AssetCheckResult:
    """Read the whole topic and compare the row numbers with what the replay recorded."""
    from datamill_pipelines.ingestion.flight_replay import TOPIC  # noqa: PLC0415 - loads Kafka's clients
    from datamill_pipelines.ingestion.replayed_rows import replayed_rows, rows_in_topic  # noqa: PLC0415

    connection = platform.get("kafka")
    recorded = replayed_rows(connection, TOPIC)
    found, foreign = rows_in_topic(connection, TOPIC)
    twice = len(found) - len(set(found))
    missing = len(recorded) - sum(row in recorded for row in set(found))
    unrecorded = sum(row not in recorded for row in set(found))
    return dg.AssetCheckResult(
        passed=not (twice or missing or unrecorded),
        metadata={
            "recorded": len(recorded),
            "found": len(found),
            "twice": twice,
            "missing": missing,
            "unrecorded": unrecorded,
            "not_from_a_replay": foreign,
        },
    )


@dg.multi_asset_check(
    name="reference_checks",
    specs=[
        dg.AssetCheckSpec("planes_schema", asset=PLANES, blocking=True, description="Columns are as declared."),
        dg.AssetCheckSpec("planes_unique", asset=PLANES, blocking=True, description="Tail numbers are unique."),
        dg.AssetCheckSpec("airports_schema", asset=AIRPORTS, blocking=True, description="Columns are as declared."),
        dg.AssetCheckSpec("airports_unique", asset=AIRPORTS, blocking=True, description="Airport codes are unique."),
    ],
    can_subset=True,
)
def reference_checks(
    context: dg.AssetCheckExecutionContext, platform: PlatformConnections
) -> Iterator[dg.AssetCheckResult]:
    """Look at the tables as they are now."""
    from datamill_pipelines.ingestion import contents, valid  # noqa: PLC0415 - loads Arrow

    store = platform.store()
    selected = context.selected_asset_check_keys
    for asset, columns in ((PLANES, contents.PLANES), (AIRPORTS, contents.AIRPORTS)):
        if not any(key.asset_key == asset for key in selected):
            continue
        name = asset.path[-1]
        table = store.commit_view(f"raw/{name}@main").table()
        found = {
            f"{name}_schema": valid.schema_faults(table, columns),
            f"{name}_unique": valid.duplicate_faults(table, columns[0].name),
        }
        for check, faults in found.items():
            if dg.AssetCheckKey(asset, check) in selected:
                yield result(asset, check, faults, rows=table.num_rows)


def result(asset: dg.AssetKey, check: str, faults: list[str], **facts: int) -> dg.AssetCheckResult:
    """Passed if there are no faults; they are in the metadata otherwise."""
    metadata: dict[str, Any] = {**facts, "faults": faults}
    told = "; ".join(faults) or None
    return dg.AssetCheckResult(
        asset_key=asset, check_name=check, passed=not faults, metadata=metadata, description=told
    )


CHECKS = [flights_once, reference_checks]
