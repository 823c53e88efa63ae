"""The runs and events of a deployment on a cluster, from outside: Dagster's storage there, through a forwarded port."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from datamill_infra.drivers.rollout import Rollout
from datamill_infra.drivers.secrets import SecretStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_infra.model.connections import ResolvedConnection
    from datamill_infra.model.deployment import Deployment

STORAGE = "postgres"
CONNECT_SECONDS = 10
"""Dagster makes a connection for each query, and tries one that fails again."""
# Configuration of Dagster names the password's variable, so it is in no message and no file.
PASSWORD = "DATAMILL_CLUSTER_PG_PASSWORD"  # noqa: S105  (a name)


@contextlib.contextmanager
def cluster_instance(deployment: Deployment, component: str) -> Iterator[dg.DagsterInstance]:
    """An instance on the storage that a component has in the cluster, for reading.

    Args:
        deployment: which.
        component: the one that provides ``dagster``.

    Raises:
        UnhealthyError: a pod that is needed does not run.
    """
    driver = Rollout(deployment).driver(component)
    secrets = {**SecretStore(deployment.secrets_file).read(), **driver.known_secrets([component])}
    storage = deployment.needs(component, {})[STORAGE]
    with driver.reachable(storage) as here, tempfile.TemporaryDirectory(prefix="datamill-dagster-") as scratch:
        reference = InstanceRef.from_dir(scratch, overrides=_settings(here.resolve(secrets)))
        with dg.DagsterInstance.from_ref(reference) as instance:
            yield instance


def _settings(storage: ResolvedConnection) -> dict[str, object]:
    os.environ[PASSWORD] = storage.text("password")
    address = {
        "scheme": "postgresql+psycopg2",
        "hostname": storage.text("host"),
        "port": int(storage.text("port")),
        "db_name": storage.text("database"),
        "username": storage.text("username"),
        "password": {"env": PASSWORD},
        "params": {"connect_timeout": str(CONNECT_SECONDS)},
    }
    return {"storage": {"postgres": {"postgres_db": address}}, "telemetry": {"enabled": False}}
