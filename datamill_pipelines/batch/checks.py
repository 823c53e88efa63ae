"""Checks of features: what is declared is there, in range, once, and reconciles with the raw flights."""

# No postponed annotations here: Dagster looks at those of checks when they are defined.
from collections.abc import Iterator

import dagster as dg

from datamill_pipelines.batch.assets import FEATURES
from datamill_pipelines.batch.schema import REPO
from datamill_pipelines.connections import PlatformConnections

PROMISES = {
    "features_schema": "Columns, types and nulls are as declared.",
    "features_ranges": "Values are within their ranges, and labels agree with outcomes.",
    "features_unique": "Every flight is there once.",
    "features_reconciled": "Each month has the flights of the raw commit it was made of, by outcome and lateness.",
}
SPECS = [
    dg.AssetCheckSpec(
        name,
        asset=FEATURES,
        blocking=True,
        additional_deps=[["capability", "datasets"]],
        description=description,
    )
    for name, description in PROMISES.items()
]


@dg.multi_asset_check(name="features_checks", specs=SPECS, can_subset=True)
def features_checks(
    context: dg.AssetCheckExecutionContext, platform: PlatformConnections
) -> Iterator[dg.AssetCheckResult]:
    """Look at all months that there are."""
    from datamill_pipelines.batch import valid  # noqa: PLC0415  (loads Arrow)
    from datamill_pipelines.batch.reconciliation import reconcile  # noqa: PLC0415

    store = platform.store()
    view = store.commit_view(f"{REPO}@main")
    table = view.table()
    found: dict[str, list[str]] = {"features_schema": valid.schema_faults(table)}
    compared: dict[str, dict[str, int | str]] = {}
    # The others look into columns, which have to be there.
    if not found["features_schema"]:
        found["features_ranges"] = valid.range_faults(table)
        found["features_unique"] = valid.identity_faults(table)
        found["features_reconciled"], compared = reconcile(store, view)
    for key in context.selected_asset_check_keys:
        faults = found.get(key.name, ["the schema is wrong, so this was not looked at"])
        yield dg.AssetCheckResult(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=not faults,
            metadata={
                "faults": faults,
                "rows": table.num_rows,
                "commit": view.id,
                **({"compared": compared} if key.name == "features_reconciled" else {}),
            },
        )
