"""What steps print is on the object store afterwards, from the first step on; what cannot go there stays here."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from dagster._core.storage.compute_log_manager import ComputeIOType
from s3_server import s3_server

from datamill_infra.capabilities.s3 import open_client
from datamill_infra.model.connections import Connection
from datamill_infra.model.home import Home
from datamill_infra.orchestration.compute_logs import DeploymentComputeLogManager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datamill_infra.model.connections import ResolvedConnection

KEY = ["run", "compute_logs", "step"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResolvedConnection]:
    with s3_server(tmp_path_factory.mktemp("s3proxy")) as connection:
        yield connection


def publish(home: Path, store: ResolvedConnection, **changed: str) -> None:
    fields = {name: value for name, value in store.values.items() if name not in store.secret_fields}
    names = {name: f"s3proxy.{name}" for name in store.secret_fields}
    published = Connection("s3", store.component, fields | changed, names)
    layout = Home(home)
    layout.state_dir.mkdir(parents=True)
    layout.connections_file.write_text(json.dumps({"s3": published.to_dict()}), encoding="utf-8")
    secrets = {name: store.text(field) for field, name in names.items()}
    layout.secrets_file.write_text(json.dumps(secrets), encoding="utf-8")


def step(manager: DeploymentComputeLogManager) -> None:
    with manager.capture_logs(KEY):
        print("good evening")
        print("is this on?", file=sys.stderr)


def captured_here(home: Path) -> list[str]:
    return sorted(file.name for file in Home(home).storage.rglob("step.*") if file.stat().st_size)


def test_the_first_step_of_a_deployment_finds_no_bucket_and_its_output_is_shipped_all_the_same(
    tmp_path: Path, store: ResolvedConnection
) -> None:
    publish(tmp_path, store)
    manager = DeploymentComputeLogManager(str(tmp_path), "first-step")
    step(manager)
    client = open_client(store, 60)
    listed = client.list_objects_v2(Bucket="first-step")
    kept = {
        entry["Key"]: client.get_object(Bucket="first-step", Key=entry["Key"])["Body"].read()
        for entry in listed["Contents"]
    }
    client.close()
    prefix = "runs/storage/run/compute_logs/step"
    assert {f"{prefix}.out": b"good evening\n", f"{prefix}.err": b"is this on?\n"} == kept
    assert [] == captured_here(tmp_path)


def test_what_was_shipped_is_read_from_there(tmp_path: Path, store: ResolvedConnection) -> None:
    publish(tmp_path, store)
    manager = DeploymentComputeLogManager(str(tmp_path), "read-back")
    step(manager)
    assert manager.get_log_data_for_type(KEY, ComputeIOType.STDOUT)[0] == b"good evening\n"
    assert manager.get_log_data_for_type(KEY, ComputeIOType.STDERR)[0] == b"is this on?\n"


def test_a_store_that_is_away_costs_no_step_and_the_output_stays_here_and_says_so(
    tmp_path: Path, store: ResolvedConnection, caplog: pytest.LogCaptureFixture
) -> None:
    publish(tmp_path, store, endpoint="http://127.0.0.1:9")  # nobody listens on the discard port
    manager = DeploymentComputeLogManager(str(tmp_path), "away")
    step(manager)
    assert ["step.err", "step.out"] == captured_here(tmp_path)
    assert manager.get_log_data_for_type(KEY, ComputeIOType.STDOUT)[0] == b"good evening\n"
    assert "The object store could not keep captured logs" in caplog.text
