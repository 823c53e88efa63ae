"""The Dagster of a deployment on a cluster, from outside: its storage and its web server, through forwarded ports."""

from __future__ import annotations

import base64
import contextlib
import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from datamill_infra.drivers.rollout import Rollout
from datamill_infra.drivers.secrets import SecretStore
from datamill_infra.model.errors import BlockedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dagster_graphql import DagsterGraphQLClient

    from datamill_infra.model.connections import Connection, ResolvedConnection
    from datamill_infra.model.deployment import Deployment

CAPABILITY = "dagster"
# Configuration of Dagster names the password's variable, so it is in no message and no file.
PASSWORD = "DATAMILL_CLUSTER_PG_PASSWORD"  # noqa: S105  (a name)


@dataclass(frozen=True)
class ClusterDagster:
    """Dagster in the cluster.

    Attributes:
        instance: on the storage of the one there: runs and events can be read.
        client: of the web server, which starts and ends runs.
    """

    instance: dg.DagsterInstance
    client: DagsterGraphQLClient


@contextlib.contextmanager
def cluster_dagster(deployment: Deployment) -> Iterator[ClusterDagster]:
    """Reach the Dagster of a deployment on a cluster.

    Args:
        deployment: which.

    Raises:
        BlockedError: the deployment has none, or its secrets are not there yet.
        UnhealthyError: a pod that is needed does not run.
    """
    component = deployment.resolution.bound.get(CAPABILITY)
    if component is None:
        raise BlockedError(
            f"Nothing in the flavour {deployment.flavour!r} provides {CAPABILITY!r}, so no run can be started there.",
            instruction="Add `extra: [postgres, datamill]` to deployment.yaml, and run `datamill up`.",
        )
    driver = Rollout(deployment).driver(component)
    secrets = {**SecretStore(deployment.secrets_file).read(), **driver.known_secrets([component])}
    web = deployment.declared_connections({})[CAPABILITY]
    storage = deployment.needs(component, {})["postgres"]
    with contextlib.ExitStack() as stack:
        web_here = _resolved(stack.enter_context(driver.reachable(web)), secrets)
        storage_here = _resolved(stack.enter_context(driver.reachable(storage)), secrets)
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="datamill-dagster-"))
        yield ClusterDagster(stack.enter_context(_instance(scratch, storage_here)), _client(web_here))


def _resolved(connection: Connection, secrets: dict[str, str]) -> ResolvedConnection:
    missing = sorted(set(connection.secrets.values()) - secrets.keys())
    if missing:
        raise BlockedError(
            f"The secret {missing[0]} of {connection.component} is not in the cluster.",
            instruction="Run `datamill up`.",
        )
    return connection.resolve(secrets)


def _instance(scratch: str, storage: ResolvedConnection) -> dg.DagsterInstance:
    os.environ[PASSWORD] = storage.text("password")
    address = {
        "scheme": "postgresql+psycopg2",
        "hostname": storage.text("host"),
        "port": int(storage.text("port")),
        "db_name": storage.text("database"),
        "username": storage.text("username"),
        "password": {"env": PASSWORD},
    }
    overrides = {"storage": {"postgres": {"postgres_db": address}}, "telemetry": {"enabled": False}}
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(scratch, overrides=overrides))


def _client(web: ResolvedConnection) -> DagsterGraphQLClient:
    from dagster_graphql import DagsterGraphQLClient  # noqa: PLC0415  (slow to import)

    address = urlsplit(web.text("url"))
    credentials = base64.b64encode(f"{web.text('username')}:{web.text('password')}".encode()).decode()
    return DagsterGraphQLClient(
        str(address.hostname),
        port_number=address.port,
        use_https=address.scheme == "https",
        headers={"Authorization": f"Basic {credentials}"},
    )
