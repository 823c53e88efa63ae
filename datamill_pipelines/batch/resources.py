"""Resources that open an engine when a step asks for it, never before.

dagster-pyspark and dagster-dask open a session or a client when a resource is made, with an address from the code. Here
the address is that of the deployment's connection, and processes that only look at definitions import neither library.
"""

# No postponed annotations here: Dagster looks at those of resources when they are defined.
import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from datamill_pipelines.batch import spark_on_kubernetes
from datamill_pipelines.connections import PlatformConnections

if TYPE_CHECKING:
    from distributed import Client
    from pyspark.sql import SparkSession

    from datamill_infra.model.connections import ResolvedConnection

DASK_SECONDS = 30
"""Budget of a client to reach the scheduler."""

_SETTINGS: dict[str, Any] = {
    "spark.app.name": "datamill",
    # Nothing but the driver's own machine talks to it.
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # The largest table has some ten thousand rows a month: planning again in the middle costs more than it saves.
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.maxPlanStringLength": "1000",
    # Short runs: the second compiler never pays for itself.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.driver.memory": "1g",
}


class SparkSessions(dg.ConfigurableResource):  # type: ignore[type-arg]  # it is its own value
    """The resource ``spark``: sessions on the deployment's Spark, which can read and write its dataset store.

    Attributes:
        platform: where Spark and the datasets are.
    """

    platform: PlatformConnections

    @contextlib.contextmanager
    def session(self) -> Iterator["SparkSession"]:
        """A session, stopped at the end.

        Raises:
            BlockedError: nothing that provides ``spark`` or ``datasets`` has been deployed.
        """
        from dagster_pyspark import LazyPySparkResource  # noqa: PLC0415  (slow to import)

        spark, datasets = self.platform.get("spark"), self.platform.get("datasets")
        settings = {**_SETTINGS, "spark.master": spark.text("master")}
        if jars := spark.get("jars"):
            settings["spark.driver.extraClassPath"] = f"{jars}/*"
        if settings["spark.master"].startswith(spark_on_kubernetes.MASTER):
            settings |= spark_on_kubernetes.settings(spark)
        with _environment(JAVA_HOME=spark.text("java_home"), PYSPARK_SUBMIT_ARGS="pyspark-shell"):
            session: SparkSession = LazyPySparkResource(spark_config=settings).spark_session
        try:
            for name, value in object_store_settings(datasets).items():
                session.conf.set(name, value)
            yield session
        finally:
            session.stop()


class DaskClients(dg.ConfigurableResource):  # type: ignore[type-arg]  # it is its own value
    """The resource ``dask``: clients of the deployment's scheduler.

    Attributes:
        platform: where Dask is.
    """

    platform: PlatformConnections

    @contextlib.contextmanager
    def client(self) -> Iterator["Client"]:
        """A client, closed at the end.

        Raises:
            BlockedError: nothing that provides ``dask`` has been deployed.
        """
        from dagster_dask.resources import DaskResource  # noqa: PLC0415  (slow to import)

        address = self.platform.get("dask").text("scheduler")
        config = {"client": {"address": address, "timeout": DASK_SECONDS, "set_as_default": False}}
        dask = DaskResource(dg.build_init_resource_context(config=config))
        try:
            yield dask.client
        finally:
            dask.close()


def object_store_settings(datasets: "ResolvedConnection") -> dict[str, str]:
    """What a running session needs to read and write the store; empty for a directory.

    They are not part of the session's configuration: those are arguments of the Java process, for all to read.
    """
    if not datasets.text("url").startswith("s3://"):
        return {}
    return {
        "fs.s3a.endpoint": datasets.text("endpoint"),
        "fs.s3a.endpoint.region": datasets.text("region"),
        "fs.s3a.path.style.access": str(bool(datasets.get("path_style", True))).lower(),
        "fs.s3a.connection.ssl.enabled": str(datasets.text("endpoint").startswith("https://")).lower(),
        "fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
        "fs.s3a.access.key": datasets.text("access_key"),
        "fs.s3a.secret.key": datasets.text("secret_key"),
        # Files of a commit never change, and the result is written once, to a folder of its own.
        "fs.s3a.change.detection.mode": "none",
        "mapreduce.fileoutputcommitter.algorithm.version": "2",
    }


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Environment variables for as long as a process is started."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
