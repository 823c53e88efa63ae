"""The embedded tracking server and registry."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from embedded.room import Platform
from mlflow import MlflowClient

from datamill_infra.capabilities import s3

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def client(platform: Platform) -> MlflowClient:
    return MlflowClient(platform.connection("mlflow").text("url"))


def test_runs_models_and_artifacts_survive_a_kill_of_the_server(
    platform: Platform, client: MlflowClient, tmp_path: Path
) -> None:
    experiment = client.create_experiment("kills")
    run = client.create_run(experiment).info
    client.log_param(run.run_id, "depth", 4)
    client.log_metric(run.run_id, "loss", 0.25)
    (tmp_path / "notes.bin").write_bytes(b"\x00\xff" * 1000)
    client.log_artifact(run.run_id, str(tmp_path / "notes.bin"))
    client.create_registered_model("killed")
    client.create_model_version("killed", f"runs:/{run.run_id}/notes.bin", run.run_id)
    client.set_registered_model_alias("killed", "champion", "1")
    platform.kill("mlflow")
    platform.wait_healthy("mlflow")
    kept = client.get_run(run.run_id).data
    assert kept.params == {"depth": "4"}
    assert kept.metrics == {"loss": 0.25}
    assert client.get_model_version_by_alias("killed", "champion").run_id == run.run_id
    fetched = Path(client.download_artifacts(run.run_id, "notes.bin", str(tmp_path / "back.d").removesuffix(".d")))
    assert fetched.read_bytes() == b"\x00\xff" * 1000


def test_artifacts_lie_in_the_claimed_bucket_and_clients_need_no_keys_for_it(
    platform: Platform, client: MlflowClient, tmp_path: Path
) -> None:
    run = client.create_run(client.create_experiment("bucket")).info
    assert run.artifact_uri.startswith("mlflow-artifacts:/")
    (tmp_path / "report.txt").write_text("kept")
    client.log_artifact(run.run_id, str(tmp_path / "report.txt"))
    store = s3.open_client(platform.connection("s3"), 30)
    keys = [item["Key"] for item in store.list_objects_v2(Bucket="mlflow").get("Contents", [])]
    store.close()
    assert any(run.run_id in key and key.endswith("report.txt") for key in keys)


def test_a_page_of_another_site_cannot_use_the_server(platform: Platform) -> None:
    url = platform.connection("mlflow").text("url")
    search = f"{url}/api/2.0/mlflow/registered-models/search"
    assert requests.get(search, timeout=30).status_code == 200
    assert requests.get(search, headers={"Host": "attacker.example.org"}, timeout=30).status_code == 403


def test_the_server_is_one_process(platform: Platform) -> None:
    mine = platform.pid("mlflow")
    assert [process.pid for process in platform.processes() if process.ppid() == mine] == []
