"""What is deployed from outside is told to the Dagster of the cluster: all of it once, and news only."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from datamill_infra.drivers.helm.driver import HelmDriver
from datamill_infra.drivers.releases import Releases
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.drivers.secrets import SecretStore
from datamill_infra.kubernetes.memory import MemoryCluster
from datamill_infra.model.connections import Connection
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.states import Observed
from datamill_infra.orchestration.reporting import ClusterReport, forget_reported

PASSWORD = "correct-horse-battery"  # noqa: S105  (of a server in this process)
EXPECTED = "Basic " + base64.b64encode(f"datamill:{PASSWORD}".encode()).decode()
KEY = dg.AssetKey(["infra", "s3proxy"])


class Web(http.server.ThreadingHTTPServer):
    """Takes what is reported, from whoever knows the password."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.told: list[tuple[str, dict[str, Any]]] = []


class Answer(http.server.BaseHTTPRequestHandler):
    server: Web

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = self.headers["Authorization"] == EXPECTED
        if known:
            self.server.told.append((self.path, body))
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


class There(HelmDriver):
    """A driver whose Dagster runs and is reached at a port of this machine."""

    port: int

    def observe(self, component: str) -> Observed:
        return Observed(component, exists=True)

    @contextlib.contextmanager
    def reachable(self, connection: Connection) -> Iterator[Connection]:
        fields = {**connection.fields, "url": f"http://127.0.0.1:{self.port}"}
        yield Connection(connection.capability, connection.component, fields, connection.secrets)


class Scene:
    """A deployment, its Dagster, and what was warned of."""

    def __init__(self, home: Path, web: Web) -> None:
        (home / "flavours").mkdir()
        text = "title: T\nsummary: S.\ncomponents: [s3proxy, postgres, datamill]\n"
        (home / "flavours" / "mine.yaml").write_text(text)
        self.deployment = Deployment.write_default(home, "mine", "kind", context="memory")
        SecretStore(self.deployment.secrets_file).put({"datamill.password": PASSWORD})
        self.cluster = MemoryCluster()
        driver = There(self.deployment, Releases(self.deployment.releases_file), cluster=self.cluster)
        driver.port = web.server_port
        self.rollout = Rollout(self.deployment, {"helm": driver})
        self.warned: list[str] = []

    def report(self, *, healthy: bool = True, version: str = "1", changed: bool = False, made: bool = False) -> None:
        report = ClusterReport(self.rollout, self.warned.append)
        if made:
            report.add(
                dg.MaterializeResult(
                    asset_key=["infra", "datamill"], metadata={"changed": True}, data_version=dg.DataVersion("1")
                )
            )
        check = dg.AssetCheckResult(asset_key=KEY, check_name="healthy", passed=healthy, description="It answers.")
        report.add(
            dg.MaterializeResult(
                asset_key=KEY,
                metadata={"changed": changed, "page": dg.MetadataValue.url("http://x")},
                check_results=[check],
                data_version=dg.DataVersion(version),
            )
        )
        report.send()


@pytest.fixture
def scene(tmp_path: Path, web: Web) -> Scene:
    return Scene(tmp_path, web)


def test_materialisations_and_checks_are_told_with_what_is_known_of_them(scene: Scene, web: Web) -> None:
    scene.report()
    assert [
        (
            "/report_asset_materialization/infra/s3proxy",
            {"metadata": {"changed": False, "page": "http://x"}, "data_version": "1"},
        ),
        (
            "/report_asset_check/infra/s3proxy",
            {"check_name": "healthy", "passed": True, "metadata": {"told": "It answers."}},
        ),
    ] == web.told
    assert [] == scene.warned


def test_what_has_been_told_is_told_again_only_when_it_is_news(scene: Scene, web: Web) -> None:
    scene.report()
    web.told.clear()
    scene.report()
    assert [] == web.told
    scene.report(healthy=False)
    assert ["/report_asset_check/infra/s3proxy"] == [path for path, _ in web.told]
    web.told.clear()
    scene.report(healthy=False, version="2")
    assert ["/report_asset_materialization/infra/s3proxy"] == [path for path, _ in web.told]


def test_what_was_changed_is_told_also_when_it_is_what_it_was_before(scene: Scene, web: Web) -> None:
    scene.report()
    web.told.clear()
    scene.report(changed=True)
    assert ["/report_asset_materialization/infra/s3proxy"] == [path for path, _ in web.told]


def test_a_dagster_that_has_just_been_made_is_told_everything(scene: Scene, web: Web) -> None:
    scene.report()
    web.told.clear()
    scene.report(made=True)
    assert {
        "/report_asset_materialization/infra/datamill",
        "/report_asset_materialization/infra/s3proxy",
        "/report_asset_check/infra/s3proxy",
    } == {path for path, _ in web.told}


def test_a_dagster_that_was_taken_down_is_told_everything_again(scene: Scene, web: Web) -> None:
    scene.report()
    web.told.clear()
    forget_reported(scene.rollout, ["datamill"])
    scene.report()
    assert 2 == len(web.told)


def test_one_that_does_not_take_it_is_warned_of_and_told_the_next_time(scene: Scene, web: Web) -> None:
    SecretStore(scene.deployment.secrets_file).put({"datamill.password": "another"})
    scene.report()
    (warned,) = scene.warned
    assert "has not been told" in warned
    assert "refused the credentials" in warned
    SecretStore(scene.deployment.secrets_file).put({"datamill.password": PASSWORD})
    scene.report()
    assert 2 == len(web.told)


def test_a_run_inside_reports_nothing_because_it_is_in_that_dagster_itself(scene: Scene, web: Web) -> None:
    scene.cluster.inside = True
    scene.report()
    assert [] == web.told
    assert [] == scene.warned
