"""Pipelines of a cluster as jobs of a machine outside: launched there, followed, and ended as they end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from infra.orchestration.script import REPOSITORIES, Script, page, said

from datamill_infra import cluster_runs
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import ConfigurationError

# The pipelines' own, which are imported here for their jobs' names.
pytestmark = pytest.mark.filterwarnings("ignore:Parameter .backfill_policy. of function .asset. is currently in beta")

LAUNCHED = {"launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": "4711"}}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "flavours").mkdir()
    text = "title: T\nsummary: S.\ncomponents: [s3proxy, postgres, datamill]\n"
    (tmp_path / "flavours" / "mine.yaml").write_text(text)
    Deployment.write_default(tmp_path, "mine", "kind", context="memory")
    return tmp_path


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def execute(
    home: Path, instance: dg.DagsterInstance, web: Script, monkeypatch: pytest.MonkeyPatch
) -> dg.ExecuteInProcessResult:
    """The job ``flight_delay``, with another way to the web server."""
    monkeypatch.setattr(cluster_runs._Doors, "__call__", lambda _: web)
    job = cluster_runs.build_definitions(home).resolve_job_def("flight_delay")
    config = {"ops": {"in_the_cluster": {"config": {"run_config": {"ops": {}}, "assets": ["raw/planes"]}}}}
    return job.execute_in_process(
        run_config=config, instance=instance, raise_on_error=False, tags={"dagster/partition": "2013-01"}
    )


def failure(result: dg.ExecuteInProcessResult) -> tuple[str, str]:
    (event,) = (event for event in result.all_events if event.is_step_failure)
    data = event.step_failure_data.user_failure_data
    assert data is not None
    return data.description or "", str(data.metadata["error"].value)


def test_the_run_is_launched_with_its_tags_and_is_known_by_its_id(
    home: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = Script(REPOSITORIES, LAUNCHED, page("SUCCESS", "a", said("built")))
    result = execute(home, instance, web, monkeypatch)
    assert result.success
    params = web.asked[1][1]["params"]
    assert isinstance(params, dict)
    assert [{"path": ["raw", "planes"]}] == params["selector"]["assetSelection"]
    assert {"key": "dagster/partition", "value": "2013-01"} in params["executionMetadata"]["tags"]
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert "4711" == run.tags["datamill/cluster-run"]


def test_a_failed_run_fails_with_its_cause(
    home: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = Script(REPOSITORIES, LAUNCHED, page("FAILURE", "a", said("failed", "STEP_FAILURE", "ValueError: no")))
    told, kind = failure(execute(home, instance, web, monkeypatch))
    assert "build: failed\nValueError: no" in told
    assert "PlatformError" == kind


def test_a_blocked_run_is_told_as_blocked(
    home: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = page("FAILURE", "a", said("failed", "STEP_FAILURE"))
    ended["runOrError"]["tags"].append({"key": "datamill/blocked-by", "value": "kafka"})
    told, kind = failure(execute(home, instance, Script(REPOSITORIES, LAUNCHED, ended), monkeypatch))
    assert "is blocked by kafka" in told
    assert "BlockedError" == kind


def test_a_deployment_on_this_machine_has_no_such_jobs(tmp_path: Path) -> None:
    (tmp_path / "deployment.yaml").write_text("flavour: lake\n")
    with pytest.raises(ConfigurationError, match="has no Dagster in a cluster"):
        cluster_runs.build_definitions(tmp_path)
