"""``dagster``: Dagster's web server behind a proxy that asks for name and password.

Fields: ``url``, ``username``; secret ``password``. Whoever reaches the web server can start runs, so a server that
answers without the password counts as unhealthy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra.capabilities.attempt import Attempt
from datamill_infra.capabilities.rest import RestClient

if TYPE_CHECKING:
    from datamill_infra.capabilities.attempt import Observation
    from datamill_infra.model.connections import ResolvedConnection

QUESTION = {"query": "{ version }"}
UNAUTHORIZED = 401


def probe(connection: ResolvedConnection, *, timeout: float) -> Observation:
    """Ask GraphQL for the version, first without the password.

    Raises:
        UnhealthyError: it answers without, or does not answer with it.
    """
    url = connection.text("url")
    attempt = Attempt(connection, url, timeout)
    with RestClient(attempt, url) as stranger:
        code = stranger.status("POST", "/graphql", QUESTION)
    if code != UNAUTHORIZED:
        raise attempt.failed(f"it answers {code} instead of {UNAUTHORIZED} to whoever gives no password")
    with RestClient(attempt, url, (connection.text("username"), connection.text("password"))) as client:
        answer = client.json("POST", "/graphql", QUESTION)
    try:
        version = str(answer["data"]["version"])
    except (KeyError, TypeError):
        raise attempt.failed(f"the answer is not that of Dagster: {str(answer)[:200]}") from None
    return attempt.observed(f"Dagster {version}; no answer without the password", version=version)


def environment(connection: ResolvedConnection) -> dict[str, str]:
    """There is no convention; speaking names."""
    return {f"DAGSTER_{name.upper()}": connection.text(name) for name in ("url", "username", "password")}
