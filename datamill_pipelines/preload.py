"""What steps import, imported once: the fork server loads this module, and every step is a fork of it.

Dagster's own storage alone takes longer to import than most steps run. Only imports belong here, nothing that opens a
file, a socket or starts a thread: what a fork inherits of those is broken.
"""

from __future__ import annotations

import importlib

from datamill_pipelines.discovery import packaged

# Loaded lazily by Dagster when an instance is opened, which every step does.
DAGSTER = (
    "dagster._core.executor.multiprocess",
    "dagster._core.instance.factory",
    "dagster._core.launcher",
    "dagster._core.run_coordinator",
    "dagster._core.scheduler",
    "dagster._core.storage.event_log",
    "dagster._core.storage.migration",
    "dagster._core.storage.root",
    "dagster._core.storage.runs",
    "dagster._core.storage.schedules",
    "dagster._core.storage.sqlite_storage",
)

# Needed by several steps.
LIBRARIES = (
    "botocore.httpsession",
    "boto3",
    "confluent_kafka",
    "dagster_dask.resources",
    "mlflow.sklearn",
    "obstore",
    "polars",
    "pyarrow.parquet",
    "skops.io",
)

OWN = (
    "datamill_infra.orchestration.s3_compute_logs",
    "datamill_pipelines.definitions",
    "datamill_pipelines.training.training",
    *(f"datamill_pipelines.{name}.definitions" for name in packaged()),
)

for name in (*DAGSTER, *LIBRARIES, *OWN):
    importlib.import_module(name)
