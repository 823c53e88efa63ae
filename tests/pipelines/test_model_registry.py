"""The registry is read over its REST API, aliases included."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from datamill_infra.model.errors import PlatformError, UnknownNameError
from datamill_pipelines.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

TAGS = [
    {"key": "datamill.raw", "value": '["raw/a@1", "raw/b@2"]'},
    {"key": "datamill.gate", "value": '[{"name": "small", "passed": true}]'},
]
# Two pages of versions, as a tracking server gives them: a search for versions does not carry aliases.
VERSIONS = [
    {
        "model_versions": [{"name": "m", "version": "1", "run_id": "r1", "tags": [{"key": "k", "value": "v"}]}],
        "next_page_token": "2",
    },
    {"model_versions": [{"name": "m", "version": 2, "run_id": "r2", "tags": TAGS}]},
]
MODELS = {"registered_models": [{"name": "m", "aliases": [{"alias": "champion", "version": "2"}]}]}


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body: object = MODELS
        if "model-versions/search" in self.path:
            body = VERSIONS[1 if "page_token=2" in self.path else 0]
        elif "runs/get" in self.path:
            body = {"run": {"data": {"metrics": [{"key": "brier", "value": 0.25}]}}}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posted.append((self.path.partition("/mlflow/")[2], body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def posted() -> list[tuple[str, object]]:
    """What was written to the server."""
    return []


@pytest.fixture
def registry(posted: list[tuple[str, object]]) -> Iterator[Registry]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.posted = posted  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Registry(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


def test_versions_of_every_page_are_read_with_tags_and_aliases(registry: Registry) -> None:
    first, second = registry.versions()
    assert (first.ref, first.tags, first.aliases) == ("m@1", {"k": "v"}, ())
    assert (second.ref, second.aliases) == ("m@2", ("champion",))
    assert (first.champion, second.champion) == (False, True)
    assert (list(second.raw), [one["name"] for one in second.gate]) == (["raw/a@1", "raw/b@2"], ["small"])


def test_the_champion_is_found_by_its_alias(registry: Registry) -> None:
    assert registry.champion_version("m") == "2"
    assert registry.version("m", "champion").tracking_run_id == "r2"


def test_a_version_is_promoted_and_facts_are_recorded_on_it(
    registry: Registry, posted: list[tuple[str, object]]
) -> None:
    registry.tag("m", "1", {"features": "f@1"})
    registry.promote("m", "1")
    assert posted == [
        ("model-versions/set-tag", {"name": "m", "version": "1", "key": "datamill.features", "value": "f@1"}),
        ("registered-models/alias", {"name": "m", "alias": "champion", "version": "1"}),
    ]


def test_metrics_of_a_run_are_read(registry: Registry) -> None:
    assert registry.metrics("r1") == {"brier": 0.25}


def test_an_unknown_version_is_refused_with_the_nearest(registry: Registry) -> None:
    with pytest.raises(UnknownNameError, match="m@9"):
        registry.version("m", "9")


def test_a_registry_that_does_not_answer_is_told_with_a_repair() -> None:
    with pytest.raises(PlatformError, match="did not answer") as told:
        Registry("http://127.0.0.1:1").versions()
    assert "datamill up -c mlflow" in told.value.instruction
