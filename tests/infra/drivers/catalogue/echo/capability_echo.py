from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from datamill_infra.capabilities import Observation
from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.errors import UnhealthyError


def ask(connection: ResolvedConnection, path: str = "/", timeout: float = 5.0) -> Any:  # noqa: ANN401
    request = urllib.request.Request(
        f"http://{connection.text('host')}:{connection.text('port')}{path}",
        headers={"Authorization": connection.text("password")},
    )
    with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
        return json.load(answer)


def probe(connection: ResolvedConnection, *, timeout: float) -> Observation:
    began = time.monotonic()
    try:
        answer = ask(connection, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        raise UnhealthyError(f"{connection.component} answers {error.code}", instruction="Log in.") from None
    except OSError as error:
        raise UnhealthyError(f"{connection.component} does not answer: {error}", instruction="Start it.") from None
    return Observation(f"says {answer['greeting']}", {"pid": answer["pid"]}, time.monotonic() - began)


def provision(connection: ResolvedConnection, claim: Mapping[str, object]) -> None:
    ask(connection, f"/claim/{claim['name']}")


def admit(owner: ResolvedConnection, connection: ResolvedConnection, claim: Mapping[str, object]) -> None:
    ask(owner, f"/claim/{claim['name']}-for-{connection.component}")


def environment(connection: ResolvedConnection) -> dict[str, str]:
    return {"ECHO": f"{connection.text('host')}:{connection.text('port')}"}
