"""The Dagster of a deployment on a cluster, through its web server, from outside or from inside.

It asks for a name and a password, and gets them from the deployment's connection. Nothing here knows how the server is
reached: :meth:`datamill_infra.drivers.rollout.Rollout.door` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datamill_infra.capabilities.attempt import Attempt
from datamill_infra.capabilities.rest import RestClient
from datamill_infra.drivers.reported import dagster_in_cluster
from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import dagster as dg

    from datamill_infra.model.connections import ResolvedConnection
    from datamill_infra.model.deployment import Deployment

SECONDS = 30.0
"""Of one request."""


def dagster_component(deployment: Deployment) -> str:
    """The component that is the Dagster of a cluster.

    Raises:
        ConfigurationError: the deployment has none there.
    """
    component = dagster_in_cluster(deployment)
    if component is None:
        raise ConfigurationError(
            f"The deployment in {deployment.home} has no Dagster in a cluster.",
            instruction="On a cluster, add `extra: [postgres, datamill]` to deployment.yaml, and run `datamill up`. On"
            " this machine `datamill run` runs the jobs, and so does"
            " `dagster job execute -m datamill_pipelines.definitions`.",
        )
    return component


class DagsterWeb:
    """One web server.

    Args:
        connection: of the capability ``dagster``.
        seconds: budget of each request.
    """

    def __init__(self, connection: ResolvedConnection, seconds: float = SECONDS) -> None:
        self._connection, self._seconds = connection, seconds

    def query(self, text: str, variables: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The data that GraphQL answers with.

        Raises:
            UnhealthyError: no answer, or one with errors.
        """
        answer = self._post("/graphql", {"query": text, "variables": dict(variables or {})})
        if answer.get("errors") or "data" not in answer:
            raise self._attempt().failed(f"GraphQL answers {str(answer.get('errors') or answer)[:300]}")
        return dict(answer["data"])

    def report_materialization(
        self, key: dg.AssetKey, metadata: Mapping[str, object], data_version: str | None
    ) -> None:
        """Record a materialisation that happened elsewhere.

        Raises:
            UnhealthyError: the server does not take it.
        """
        body = {"metadata": _plain(metadata), **({"data_version": data_version} if data_version else {})}
        self._post(f"/report_asset_materialization/{_path(key.path)}", body)

    def report_check(self, key: dg.AssetKey, check: str, metadata: Mapping[str, object], *, passed: bool) -> None:
        """Record the evaluation of a check that happened elsewhere.

        Raises:
            UnhealthyError: the server does not take it.
        """
        body = {"check_name": check, "passed": passed, "metadata": _plain(metadata)}
        self._post(f"/report_asset_check/{_path(key.path)}", body)

    def _post(self, path: str, body: object) -> dict[str, Any]:
        attempt = self._attempt()
        login = (self._connection.text("username"), self._connection.text("password"))
        with RestClient(attempt, attempt.address, login) as client:
            return dict(client.json("POST", path, body))

    def _attempt(self) -> Attempt:
        return Attempt(self._connection, self._connection.text("url"), self._seconds)


def _path(parts: Sequence[str]) -> str:
    return "/".join(parts)


def _plain(metadata: Mapping[str, object]) -> dict[str, object]:
    """Metadata as JSON has it: what is a kind of its own in Dagster becomes its text or number."""
    return {key: _value(getattr(value, "value", value)) for key, value in metadata.items()}


def _value(value: object) -> object:
    return value if isinstance(value, (str, int, float, bool)) else str(value)
