"""Deploy and teardown jobs: components as assets, on real processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest

from datamill_infra.definitions import build_definitions
from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.reported import Reported
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import ConfigurationError
from datamill_infra.model.published import published_connections
from datamill_infra.orchestration.watching import watched_by

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dagster import ExecuteInProcessResult

    from datamill_infra.drivers.passes import Event


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def home(marsh: Path) -> Path:
    return marsh


def run(
    home: Path, instance: dg.DagsterInstance, job: str = "deploy_marsh", **options: object
) -> ExecuteInProcessResult:
    definition = build_definitions(home).resolve_job_def(job)
    return definition.execute_in_process(instance=instance, raise_on_error=False, **options)  # type: ignore[arg-type]


def materialized(result: ExecuteInProcessResult) -> dict[str, dict[str, object]]:
    return {
        event.materialization.asset_key.path[-1]: {
            key: value.value for key, value in event.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
    }


def checks(result: ExecuteInProcessResult) -> dict[str, bool]:
    return {f"{one.asset_key.path[-1]}:{one.check_name}": one.passed for one in result.get_asset_check_evaluations()}


def failure(result: ExecuteInProcessResult) -> tuple[str, dict[str, str]]:
    (event,) = (event for event in result.all_events if event.is_step_failure)
    data = event.step_failure_data.user_failure_data
    assert data is not None
    return data.description or "", {key: str(value.value) for key, value in data.metadata.items()}


def break_component(home: Path, name: str) -> None:
    (home / "deployment.yaml").write_text(
        f"flavour: marsh\ncomponents: {{{name}: {{values: {{works: false}}}}}}\n", encoding="utf-8"
    )


def test_a_deploy_materialises_every_component_healthy_and_in_sync(home: Path, instance: dg.DagsterInstance) -> None:
    result = run(home, instance)
    assert result.success
    assert {"pond", "frog"} == set(materialized(result))
    assert checks(result) == {"pond:healthy": True, "pond:in_sync": True, "frog:healthy": True, "frog:in_sync": True}
    assert {"pond", "frog"} == set(published_connections(Deployment.load(home)))


def test_a_second_deploy_changes_nothing_and_says_so(home: Path, instance: dg.DagsterInstance) -> None:
    first = materialized(run(home, instance))
    processes = [Rollout(Deployment.load(home)).driver("pond").report("pond").processes[0].pid]
    second = materialized(run(home, instance))
    processes.append(Rollout(Deployment.load(home)).driver("pond").report("pond").processes[0].pid)
    assert [first["pond"]["changed"], second["pond"]["changed"]] == [True, False]
    assert str(second["pond"]["datamill/summary"]).startswith("unchanged")
    assert processes[0] == processes[1]


def test_nobody_takes_a_deploy_for_recorded_before_it_has_ended(home: Path, instance: dg.DagsterInstance) -> None:
    reported, during = Reported(Deployment.load(home)), list[bool]()
    run(home, instance)
    assert reported.told(["pond", "frog"])
    with watched_by(lambda _: during.append(reported.told(["frog"]))):
        run(home, instance)
    assert {False} == set(during)
    assert reported.told(["pond", "frog"])


def test_every_flavour_that_the_deployment_contains_has_its_pair_of_jobs(home: Path) -> None:
    names = {job.name for job in build_definitions(home).jobs or ()}
    assert {"deploy_marsh", "teardown_marsh", "deploy_puddle", "teardown_puddle"} <= names


def test_the_location_loads_as_the_code_server_loads_it(home: Path) -> None:
    repository = build_definitions(home).get_repository_def()
    assert {"deploy_marsh", "teardown_puddle"} <= set(repository.job_names)


def test_a_part_of_the_deployment_can_be_deployed(home: Path, instance: dg.DagsterInstance) -> None:
    result = run(home, instance, "deploy_puddle")
    assert result.success
    assert {"pond"} == set(published_connections(Deployment.load(home)))


def test_a_component_that_fails_stops_only_what_needs_it(home: Path, instance: dg.DagsterInstance) -> None:
    break_component(home, "frog")
    result = run(home, instance)
    assert not result.success
    assert {"pond"} == set(materialized(result))
    assert checks(result)["pond:healthy"]
    assert not checks(result)["frog:healthy"]
    description, metadata = failure(result)
    assert description.startswith("frog: ")
    assert metadata["error"] == "PlatformError"
    assert "datamill logs frog" in metadata["repair"]


def test_what_needs_a_failed_component_is_left_as_it_is_and_says_why(home: Path, instance: dg.DagsterInstance) -> None:
    break_component(home, "pond")
    result = run(home, instance)
    description, _ = failure(result)
    assert "pond: " in description
    assert "frog: " in description
    assert "pond" in description.split("frog: ", 1)[1]


def test_a_second_writer_is_refused_with_the_holder(home: Path, instance: dg.DagsterInstance) -> None:
    with writer_lock(Deployment.load(home), "somebody else"):
        result = run(home, instance)
    description, metadata = failure(result)
    assert metadata["error"] == "LockedError"
    assert "somebody else" in description
    assert published_connections(Deployment.load(home)) == {}


def test_checks_alone_probe_and_change_nothing(home: Path, instance: dg.DagsterInstance) -> None:
    graph = build_definitions(home)
    keys = [dg.AssetCheckKey(dg.AssetKey(["infra", "pond"]), name) for name in ("healthy", "in_sync")]
    job = dg.define_asset_job("look", dg.AssetSelection.checks(*keys))
    looked = dg.Definitions.merge(graph, dg.Definitions(jobs=[job])).resolve_job_def("look")
    result = looked.execute_in_process(instance=instance)
    assert checks(result) == {"pond:healthy": False, "pond:in_sync": False}
    assert not (home / "state" / "connections.json").exists()


def test_teardown_stops_everything_and_leaves_no_check_green(home: Path, instance: dg.DagsterInstance) -> None:
    run(home, instance)
    assert run(home, instance, "teardown_marsh").success
    assert published_connections(Deployment.load(home)) == {}
    key = dg.AssetCheckKey(dg.AssetKey(["infra", "pond"]), "healthy")
    (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    evaluation = record.event
    assert evaluation is not None
    assert evaluation.asset_check_evaluation is not None
    assert not evaluation.asset_check_evaluation.passed


def test_whoever_watches_sees_each_component_from_waiting_to_healthy(home: Path, instance: dg.DagsterInstance) -> None:
    seen: list[Event] = []
    with watched_by(seen.append):
        run(home, instance)
    frog = [event.state for event in seen if event.component == "frog"]
    assert [frog[0], frog[-1]] == ["waiting", "healthy"]


def test_without_a_deployment_the_location_is_refused_with_an_instruction(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no deployment") as refused:
        build_definitions(tmp_path)
    assert "datamill up" in refused.value.instruction
