"""A deployment's connections as environment variables, the way the usual clients read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra import capabilities
from datamill_infra.model.published import published_connection, published_connections

if TYPE_CHECKING:
    from datamill_infra.model.deployment import Deployment


def connection_environment(deployment: Deployment, *, secrets: bool) -> dict[str, str]:
    """Every published connection as variables, and where the deployment is.

    Args:
        deployment: whose.
        secrets: whether variables that hold a secret are included.

    Returns:
        Name to value. ``DAGSTER_HOME`` and ``DATAMILL_HOME`` come first.
    """
    variables = {"DAGSTER_HOME": str(deployment.home), "DATAMILL_HOME": str(deployment.home)}
    for capability in sorted(published_connections(deployment)):
        connection = published_connection(deployment, capability)
        hidden = {str(connection[name]) for name in connection.secret_fields}
        module = capabilities.load(capability, deployment.catalogue.folders)
        variables |= {
            name: value
            for name, value in module.environment(connection).items()
            if secrets or not any(secret and secret in value for secret in hidden)
        }
    return variables
