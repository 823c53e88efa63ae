"""``inference``: a model server that speaks the Open Inference Protocol (V2) over HTTP.

Fields: ``url``, ``model_repository`` (the directory or S3 address that the server loads models from).

A server is healthy when it is live and answers about its repository. That one model in it does not load makes that
model unready, not the server: whoever needs a model asks for ``/v2/models/<name>/ready``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra.capabilities.attempt import Attempt
from datamill_infra.capabilities.rest import RestClient

if TYPE_CHECKING:
    from datamill_infra.capabilities.attempt import Observation
    from datamill_infra.model.connections import ResolvedConnection

READY = "READY"


def probe(connection: ResolvedConnection, *, timeout: float) -> Observation:
    """Ask whether the server is live, who it is, and what its repository holds.

    Raises:
        UnhealthyError: the server does not answer as the protocol says.
    """
    url = connection.text("url")
    attempt = Attempt(connection, url, timeout)
    with RestClient(attempt, url) as client:
        client.get("/v2/health/live")
        server = client.json("GET", "/v2")
        models = client.json("POST", "/v2/repository/index", {})
    if not isinstance(server, dict) or "version" not in server or not isinstance(models, list):
        raise attempt.failed("the answers are not those of the Open Inference Protocol; is this another server?")
    ready = sorted(model["name"] for model in models if model.get("state") == READY)
    waiting = sorted(model["name"] for model in models if model.get("state") != READY)
    summary = f"{server['name']} {server['version']}, {len(ready)} of {len(models)} models ready"
    return attempt.observed(
        summary, server=server["name"], version=server["version"], ready=", ".join(ready), not_ready=", ".join(waiting)
    )


def environment(connection: ResolvedConnection) -> dict[str, str]:
    """There is no convention; the address under a speaking name."""
    return {
        "INFERENCE_URL": connection.text("url"),
        "INFERENCE_MODEL_REPOSITORY": str(connection.get("model_repository", "")),
    }
