"""The embedded model server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pytest
import requests
from embedded.room import RECOVERY_SECONDS, Platform
from sklearn.linear_model import LinearRegression

from datamill_infra.capabilities import inference

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def url(platform: Platform) -> str:
    return platform.connection("inference").text("url")


def write_model(platform: Platform, name: str, *, content: bytes | None = None) -> None:
    """A model that doubles its input; or, with ``content``, a file that is none."""
    folder = Path(platform.connection("inference").text("model_repository")) / name
    folder.mkdir(parents=True, exist_ok=True)
    if content is None:
        joblib.dump(LinearRegression().fit(np.array([[1.0], [2.0]]), np.array([2.0, 4.0])), folder / "model.joblib")
    else:
        (folder / "model.joblib").write_bytes(content)
    settings = {
        "name": name,
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib"},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings))


def load(url: str, name: str) -> int:
    return requests.post(f"{url}/v2/repository/models/{name}/load", timeout=120).status_code


def predict(url: str, name: str, value: float) -> float:
    body = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [value]}]}
    answer = requests.post(f"{url}/v2/models/{name}/infer", json=body, timeout=60)
    answer.raise_for_status()
    return float(answer.json()["outputs"][0]["data"][0])


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def is_ready(url: str, name: str) -> bool:
    return requests.get(f"{url}/v2/models/{name}/ready", timeout=60).status_code == 200


def test_a_model_is_loaded_by_the_repository_api_and_comes_back_after_a_kill(platform: Platform, url: str) -> None:
    write_model(platform, "doubling")
    assert load(url, "doubling") == 200
    assert predict(url, "doubling", 21.0) == pytest.approx(42.0)
    platform.kill("mlserver")
    platform.wait_healthy("mlserver")
    until(lambda: is_ready(url, "doubling"))
    assert predict(url, "doubling", 4.0) == pytest.approx(8.0)


def test_a_model_that_does_not_load_keeps_neither_the_server_nor_the_others_from_starting(
    platform: Platform, url: str
) -> None:
    write_model(platform, "sound")
    write_model(platform, "broken", content=b"no model at all")
    platform.kill("mlserver")
    platform.wait_healthy("mlserver")
    until(lambda: is_ready(url, "sound"))
    observation = inference.probe(platform.connection("inference"), timeout=60)
    assert "sound" in str(observation.facts["ready"])
    assert "broken" in str(observation.facts["not_ready"])
    assert "The model broken does not load" in "\n".join(platform.driver.logs("mlserver", 500))


def test_the_server_is_one_process(platform: Platform) -> None:
    mine = platform.pid("mlserver")
    assert [process.pid for process in platform.processes() if process.ppid() == mine] == []
