"""``dagster``: a web server that answers without the password is unhealthy."""

from __future__ import annotations

import base64
import http.server
import json
from collections.abc import Callable

import pytest

from datamill_infra.capabilities import dagster
from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.errors import UnhealthyError


class WebServer(http.server.BaseHTTPRequestHandler):
    """Answers GraphQL; ``guarded`` says whether it asks for the password."""

    guarded: bool
    expected: str
    asked: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        known = self.headers["Authorization"] == self.expected
        self.asked.append(f"{'with' if known else 'without'} {json.loads(body)['query']}")
        answer = json.dumps({"data": {"version": "1.13.27"}}).encode() if known or not self.guarded else b"no"
        self.send_response(200 if known or not self.guarded else 401)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def web_server(
    serve: Callable[[type[http.server.BaseHTTPRequestHandler]], int],
    connect: Callable[[str, int], ResolvedConnection],
    password: str,
) -> Callable[[bool], ResolvedConnection]:
    def start(guarded: bool) -> ResolvedConnection:
        expected = "Basic " + base64.b64encode(f"datamill:{password}".encode()).decode()
        facts = {"guarded": guarded, "expected": expected, "asked": []}
        return connect("dagster", serve(type("Web", (WebServer,), facts)))

    return start


def test_it_is_asked_without_the_password_first(web_server: Callable[[bool], ResolvedConnection]) -> None:
    seen = dagster.probe(web_server(True), timeout=10)
    assert "Dagster 1.13.27; no answer without the password" == seen.summary


def test_one_that_lets_everybody_in_is_unhealthy(web_server: Callable[[bool], ResolvedConnection]) -> None:
    with pytest.raises(UnhealthyError, match="answers 200 instead of 401 to whoever gives no password"):
        dagster.probe(web_server(False), timeout=10)


def test_one_that_does_not_know_the_password_is_unhealthy(web_server: Callable[[bool], ResolvedConnection]) -> None:
    right = web_server(True)
    wrong = ResolvedConnection("dagster", "server", {**right.values, "password": "wrong-one"}, right.secret_fields)
    with pytest.raises(UnhealthyError, match="refused the credentials"):
        dagster.probe(wrong, timeout=10)
