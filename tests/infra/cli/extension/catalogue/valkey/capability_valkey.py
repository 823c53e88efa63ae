"""``valkey``: a round trip by its protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import valkey

from datamill_infra.capabilities.attempt import Attempt

if TYPE_CHECKING:
    from datamill_infra.capabilities.attempt import Observation
    from datamill_infra.model.connections import ResolvedConnection


def probe(connection: ResolvedConnection, *, timeout: float) -> Observation:
    """Ask the server what it is."""
    host, port = connection.text("host"), int(connection.text("port"))
    attempt = Attempt(connection, f"{host}:{port}", timeout)
    attempt.reach(host, port)
    try:
        with valkey.Valkey(
            host, port, password=connection.text("password"), socket_timeout=attempt.left("asking for its version")
        ) as client:
            told = client.info("server")
    except valkey.AuthenticationError as error:
        raise attempt.refused(str(error)) from None
    except valkey.ValkeyError as error:
        raise attempt.failed(str(error)) from None
    return attempt.observed(f"Valkey {told['valkey_version']}", version=told["valkey_version"])


def environment(connection: ResolvedConnection) -> dict[str, str]:
    """As most clients take it."""
    address = f"{connection.text('host')}:{connection.text('port')}"
    return {"VALKEY_URL": f"valkey://:{connection.text('password')}@{address}/0"}
