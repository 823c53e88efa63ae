"""The start of a run's job is watched: what cannot start, or was taken away, ends the run with the reason."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from dagster import DagsterRunStatus
from kubernetes.client import ApiClient

from datamill_infra.orchestration import run_launcher
from datamill_infra.orchestration.run_launcher import DeploymentRunLauncher

WAITING = {"state": {"waiting": {"reason": "ErrImageNeverPull", "message": "no such image"}}, "name": "dagster"}
PULLING = {"state": {"waiting": {"reason": "ContainerCreating"}}, "name": "dagster"}
FAILED = SimpleNamespace(failed=1, active=None)
AT_WORK = SimpleNamespace(failed=None, active=1)


class Client:
    """What the API server has of the run's job."""

    def __init__(self, containers: list[dict[str, Any]], status: SimpleNamespace) -> None:
        self.api_client = ApiClient()
        self.core_api = self
        self.pods = [{"metadata": {"name": "run"}, "status": {"containerStatuses": [one]}} for one in containers]
        self.status = status
        self.deleted: list[str] = []

    def list_namespaced_pod(self, *_: object, **__: object) -> SimpleNamespace:
        return SimpleNamespace(items=self.pods)

    def list_namespaced_event(self, *_: object, **__: object) -> SimpleNamespace:
        return SimpleNamespace(items=[])

    def get_job_status(self, *_: object) -> SimpleNamespace:
        return self.status

    def delete_job(self, job: str, namespace: str) -> None:
        self.deleted.append(f"{job} in {namespace}")


def watched(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the run ends with; it starts by itself at the third look."""
    told: list[str] = []
    looks = iter([DagsterRunStatus.STARTING, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
    instance = SimpleNamespace(
        get_run_by_id=lambda _: SimpleNamespace(status=next(looks)), report_run_failed=lambda _, text: told.append(text)
    )
    monkeypatch.setattr(run_launcher.time, "sleep", lambda _: None)
    launcher = SimpleNamespace(_place=lambda _: ("runs", "dagster-run-1"), _instance=instance, _api_client=client)
    DeploymentRunLauncher._watch(cast("Any", launcher), cast("Any", SimpleNamespace(run_id="1")))
    return told


def test_a_pod_that_cannot_start_ends_the_run_and_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client([WAITING], AT_WORK)
    assert ["The run did not start: pod run: ErrImageNeverPull (no such image)."] == watched(client, monkeypatch)
    assert ["dagster-run-1 in runs"] == client.deleted


def test_a_pod_that_was_taken_away_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    told = watched(Client([], FAILED), monkeypatch)
    assert ["The run did not start: the pod of the job dagster-run-1 was taken away."] == told


def test_a_pod_that_pulls_its_image_is_let_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client([PULLING], AT_WORK)
    assert [] == watched(client, monkeypatch)
    assert [] == client.deleted
