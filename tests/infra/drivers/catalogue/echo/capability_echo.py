import json
import time
import urllib.error
import urllib.request

from datamill_infra.capabilities import Observation
from datamill_infra.model.errors import UnhealthyError


def ask(connection, path="/", timeout=5.0):
    request = urllib.request.Request(
        f"http://{connection.text('host')}:{connection.text('port')}{path}",
        headers={"Authorization": connection.text("password")},
    )
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.load(answer)


def probe(connection, *, timeout):
    began = time.monotonic()
    try:
        answer = ask(connection, timeout=timeout)
    except OSError as error:
        raise UnhealthyError(f"{connection.component} does not answer: {error}", instruction="Start it.") from None
    return Observation(f"says {answer['greeting']}", {"pid": answer["pid"]}, time.monotonic() - began)


def provision(connection, claim):
    ask(connection, f"/claim/{claim['name']}")


def environment(connection):
    return {"ECHO": f"{connection.text('host')}:{connection.text('port')}"}
