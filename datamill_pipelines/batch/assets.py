"""The asset of the batch: features by month, from named raw commits, by one of two engines."""

# No postponed annotations here: Dagster looks at those of assets when they are defined.
import hashlib
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from datamill_infra.model.told import told
from datamill_pipelines.batch.resources import DaskClients, SparkSessions
from datamill_pipelines.batch.schema import COLUMNS, file_of
from datamill_pipelines.code_version import code_version
from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.partitions import months
from datamill_pipelines.step_resources import step_resources

if TYPE_CHECKING:
    from datamill_pipelines.batch.engine import FeatureEngine

FEATURES = dg.AssetKey(["features", "flight_delay"])
ENGINES = ("spark", "dask")


class FeaturesConfig(dg.Config):
    """How features are built."""

    engine: str = Field(default="spark", description="spark or dask; both give the same rows")
    raw: dict[str, str] = Field(
        default={}, description="commits to read, by raw dataset: {raw/flights: raw/flights@3f2a}; else main"
    )


@dg.asset(
    key=FEATURES,
    partitions_def=months,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[
        *(["raw", name] for name in ("flights", "weather", "planes", "airports")),
        *(["capability", name] for name in ("datasets", "spark", "dask")),
    ],
    group_name="features",
    owners=["team:ml"],
    kinds={"spark", "dask", "parquet"},
    op_tags=step_resources(cpu="250m", memory="1Gi", at_most="3Gi"),  # Spark's driver is in it
    description="What is known of every flight of the month two hours before its scheduled departure, and whether it"
    " arrived more than 15 minutes late.",
)
def features_flight_delay(
    context: dg.AssetExecutionContext,
    config: FeaturesConfig,
    platform: PlatformConnections,
    spark: SparkSessions,
    dask: DaskClients,
) -> dg.MaterializeResult[None]:
    """Build the months that the run asks for, in one commit; equal features make none."""
    from datamill_pipelines.batch.build import build_features  # noqa: PLC0415  (loads Arrow)
    from datamill_pipelines.datasets.dagster_metadata import data_version, view_metadata  # noqa: PLC0415

    store = platform.store()
    built = build_features(
        store,
        _engine(config.engine, platform, spark, dask),
        context.partition_keys,
        refs=config.raw,
        run_id=context.run.run_id,
        code_version=code_version(),
    )
    for month, rows in built.rows.items():
        context.add_asset_metadata({"dagster/row_count": rows}, partition_key=month)
    # The head may hold other months as well; this run's months are its result.
    digests = [data_version(built.view, f"{month}/").value for month in built.rows]
    return dg.MaterializeResult(
        metadata={
            **view_metadata(built.view, file_of(next(iter(built.rows)))),
            "dagster/row_count": sum(built.rows.values()),
            "dagster/column_schema": column_schema(),
            **told(f"commit {built.view.id[:12]}", changed=built.changed),
            "engine": config.engine,
            "raw": list(built.raw.values()),
            "rows_by_month": dict(built.rows),
        },
        data_version=dg.DataVersion(hashlib.sha256("".join(digests).encode()).hexdigest()),
    )


def _engine(name: str, platform: PlatformConnections, spark: SparkSessions, dask: DaskClients) -> "FeatureEngine":
    from datamill_infra.model.errors import UnknownNameError  # noqa: PLC0415

    if name == "spark":
        from datamill_pipelines.batch.spark_engine import SparkEngine  # noqa: PLC0415  (loads Spark's client)

        return SparkEngine(spark.session, platform.store())
    if name == "dask":
        from datamill_pipelines.batch.dask_engine import DaskEngine  # noqa: PLC0415  (loads pandas)

        return DaskEngine(dask.client, platform.get("datasets"))
    raise UnknownNameError("engine", name, ENGINES)


def column_schema() -> dg.TableSchema:
    """The columns as Dagster shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                type=column.kind,
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=column.name == "flight_id"),
                tags={"role": column.role},
            )
            for column in COLUMNS
        ]
    )
