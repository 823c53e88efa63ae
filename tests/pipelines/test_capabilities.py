"""Pipelines are bound to components through capability assets, and blocked by them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from datamill_infra.model.deployment import Deployment
from datamill_infra.model.told import BLOCKED_TAG
from datamill_pipelines.capabilities import capability_assets, needed_capabilities
from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.jobs import pipeline_job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A capability brought by a component's own folder: it is available while a file says so.
CAPABILITY_MODULE = """
from pathlib import Path
from datamill_infra.capabilities import Observation
from datamill_infra.model.errors import UnhealthyError

def probe(connection, *, timeout):
    if not Path(connection.text("path")).exists():
        raise UnhealthyError("the beacon is dark", instruction="Light it.")
    return Observation("1 light", {"lights": 1}, 0.01)

def environment(connection):
    return {"BEACON": connection.text("path")}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    for name in ("beacon", "lamp"):
        folder = home / "catalogue" / name
        folder.mkdir(parents=True)
        (folder / "component.yaml").write_text(
            f"title: {name}\nsummary: A light.\nhomepage: https://example.org\nlicence: Apache-2.0\n"
            f"provides: [{name}]\nexternal:\n  {name}:\n    fields:\n      path: {{about: a file}}\n"
            "    secrets:\n      key: {about: a key, required: false}\n",
            encoding="utf-8",
        )
        (folder / f"capability_{name}.py").write_text(CAPABILITY_MODULE, encoding="utf-8")
    (home / "flavours").mkdir()
    (home / "flavours" / "lights.yaml").write_text(
        "title: Lights\nsummary: Two lights.\ncomponents: [beacon, lamp]\n", encoding="utf-8"
    )
    (home / "deployment.yaml").write_text(
        "flavour: lights\ncomponents:\n"
        + "".join(
            f"  {name}:\n    provider: external\n    connection: {{{name}: {{path: {tmp_path / name}}}}}\n"
            for name in ("beacon", "lamp")
        ),
        encoding="utf-8",
    )
    (home / "state").mkdir()
    (home / "state" / "connections.json").write_text(
        json.dumps(
            {
                name: {
                    "capability": name,
                    "component": name,
                    "fields": {"path": str(tmp_path / name)},
                    "secrets": {"key": f"{name}.key"},
                }
                for name in ("beacon", "lamp")
            }
        ),
        encoding="utf-8",
    )
    (home / "state" / "secrets.json").write_text(
        '{"beacon.key": "s3cr3t-value", "lamp.key": "s3cr3t-value"}', encoding="utf-8"
    )
    return home


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def definitions(home: Path, started: list[str], *, needs: tuple[str, ...] = ("beacon", "lamp")) -> dg.Definitions:
    @dg.asset(key=["raw", "light"], deps=[dg.AssetKey(["capability", name]) for name in needs])
    def raw() -> None:
        started.append("raw")

    @dg.asset(key=["features", "light"], deps=[raw])
    def features() -> None:
        started.append("features")

    job = pipeline_job("shine", dg.AssetSelection.assets(raw, features), description="Shines.")
    own = dg.Definitions(assets=[raw, features], jobs=[job])
    deployment = Deployment.load(home)
    return dg.Definitions.merge(
        own,
        dg.Definitions(
            assets=[capability_assets(deployment, needed_capabilities([own]))],
            resources={"platform": PlatformConnections(home=str(home))},
        ),
    )


def run(home: Path, instance: dg.DagsterInstance, started: list[str], **options: tuple[str, ...]) -> dg.DagsterRun:
    job = definitions(home, started, **options).resolve_job_def("shine")
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    return run


def failure_metadata(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dict[str, str]:
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    assert len(records) == 1
    event = records[0].event_log_entry.dagster_event
    assert event is not None
    assert event.step_failure_data.user_failure_data is not None
    metadata = event.step_failure_data.user_failure_data.metadata
    return {key: str(value.value) for key, value in metadata.items()}


def light(tmp_path: Path, *names: str) -> None:
    for name in names:
        (tmp_path / name).touch()


def test_a_job_begins_with_the_capabilities_its_assets_need(home: Path) -> None:
    job = definitions(home, []).resolve_job_def("shine")
    assert {"capabilities", "raw__light", "features__light"} == {node.name for node in job.nodes}


def test_capability_assets_depend_on_the_component_that_the_deployment_bound(home: Path) -> None:
    graph = definitions(home, []).resolve_asset_graph()
    assert {dg.AssetKey(["infra", "beacon"])} == graph.get(dg.AssetKey(["capability", "beacon"])).parent_keys


def test_data_steps_run_when_every_capability_is_available(
    home: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    light(tmp_path, "beacon", "lamp")
    started: list[str] = []
    assert run(home, instance, started).is_success
    assert started == ["raw", "features"]


def test_no_data_step_starts_when_one_capability_is_missing(
    home: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    light(tmp_path, "beacon")
    started: list[str] = []
    assert run(home, instance, started).is_failure
    assert started == []


def test_a_blocked_run_is_tagged_with_every_missing_component(home: Path, instance: dg.DagsterInstance) -> None:
    assert run(home, instance, []).tags[BLOCKED_TAG] == "beacon,lamp"


def test_a_blocked_run_says_cause_repair_and_that_it_was_never_available(
    home: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    light(tmp_path, "beacon")
    metadata = failure_metadata(instance, run(home, instance, []))
    assert metadata["blocked_by"] == "lamp"
    assert "the beacon is dark" in metadata["cause"]
    assert metadata["repair"] == "datamill up -c lamp"
    assert metadata["since"] == "never seen available"


def test_a_blocked_run_says_when_the_capability_was_last_available(
    home: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    light(tmp_path, "beacon", "lamp")
    run(home, instance, [])
    (tmp_path / "lamp").unlink()
    metadata = failure_metadata(instance, run(home, instance, []))
    event = instance.get_latest_materialization_event(dg.AssetKey(["capability", "lamp"]))
    assert event is not None
    assert metadata["since"].startswith("last seen available ")
    assert metadata["since"].endswith(" UTC")


def test_a_capability_nobody_provides_blocks_and_says_so(home: Path, instance: dg.DagsterInstance) -> None:
    blocked = run(home, instance, [], needs=("beacon", "lamp", "lighthouse"))
    assert "lighthouse" in blocked.tags[BLOCKED_TAG]
    assert "nothing in the catalogue" in failure_metadata(instance, blocked)["repair"]


def test_a_component_that_was_never_deployed_blocks(home: Path, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    light(tmp_path, "beacon", "lamp")
    (home / "state" / "connections.json").unlink()
    assert run(home, instance, []).tags[BLOCKED_TAG] == "beacon,lamp"


def test_what_a_component_rests_on_is_to_blame_when_it_is_gone_too(
    home: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    folder = home / "catalogue" / "lantern"
    folder.mkdir()
    (folder / "component.yaml").write_text(
        "title: lantern\nsummary: A light of another's.\nhomepage: https://example.org\nlicence: Apache-2.0\n"
        "provides: [lantern]\nneeds: {beacon: {}}\nembedded: {entry: null}\n"
        'connection:\n  lantern:\n    fields: {path: "${beacon.path}"}\n',
        encoding="utf-8",
    )
    (folder / "capability_lantern.py").write_text(CAPABILITY_MODULE, encoding="utf-8")
    (home / "flavours" / "lights.yaml").write_text(
        "title: Lights\nsummary: Three lights.\ncomponents: [beacon, lamp, lantern]\n", encoding="utf-8"
    )
    published = json.loads((home / "state" / "connections.json").read_text(encoding="utf-8"))
    beacon = published["beacon"]
    published["lantern"] = {**beacon, "capability": "lantern", "component": "lantern", "secrets": {}}
    (home / "state" / "connections.json").write_text(json.dumps(published), encoding="utf-8")
    light(tmp_path, "lamp")
    blocked = run(home, instance, [], needs=("lamp", "lantern"))
    metadata = failure_metadata(instance, blocked)
    assert blocked.tags[BLOCKED_TAG] == "beacon"
    assert metadata["repair"] == "datamill up -c beacon"
    assert metadata["capabilities"] == "lantern"
    assert metadata["cause"] == "the beacon is dark lantern rests on it."


def test_the_data_version_of_a_capability_stays_while_its_address_stays(
    home: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    light(tmp_path, "beacon", "lamp")
    versions = []
    for _ in range(2):
        run(home, instance, [])
        event = instance.get_latest_materialization_event(dg.AssetKey(["capability", "beacon"]))
        assert event is not None
        assert event.asset_materialization is not None
        versions.append((event.asset_materialization.tags or {})["dagster/data_version"])
    assert versions[0] == versions[1]


def test_secrets_are_in_no_event_of_a_run(home: Path, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    light(tmp_path, "beacon")
    blocked = run(home, instance, [])
    events = instance.get_records_for_run(blocked.run_id).records
    assert events
    assert not any("s3cr3t-value" in str(record) for record in events)
