"""An executor is as its driver, and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.errors import ConfigurationError
from datamill_pipelines.batch import spark_on_kubernetes
from datamill_pipelines.batch.spark_on_kubernetes import executor_pod, settings

DRIVER: dict[str, Any] = {
    "metadata": {
        "name": "step-1",
        "namespace": "runs",
        "uid": "0123456789",
        "labels": {"app.kubernetes.io/part-of": "datamill", "job-name": "step"},
    },
    "spec": {
        "serviceAccountName": "datamill-runs",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000},
        "containers": [
            {
                "name": "dagster",
                "image": "registry/pipelines:1",
                "imagePullPolicy": "Never",
                "securityContext": {"readOnlyRootFilesystem": True},
                "env": [{"name": "DAGSTER_PG_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            }
        ],
    },
    "status": {"podIP": "10.0.0.7"},
}
SPARK = ResolvedConnection("spark", "spark", {"jars": "/jars", "executors": 3, "cores": 2, "memory": "2g"}, frozenset())


def test_an_executor_has_the_drivers_security_and_neither_its_token_nor_its_secrets() -> None:
    pod = executor_pod(DRIVER)
    (container,) = pod["spec"]["containers"]
    assert DRIVER["spec"]["securityContext"] == pod["spec"]["securityContext"]
    assert {"readOnlyRootFilesystem": True} == container["securityContext"]
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod["spec"]
    assert "PASSWORD" not in json.dumps(pod)
    assert {"app.kubernetes.io/part-of", "app.kubernetes.io/name"} == pod["metadata"]["labels"].keys()


def test_executors_have_the_image_of_their_driver_which_owns_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_on_kubernetes, "_own_pod", lambda: DRIVER)
    found = settings(SPARK)
    assert "registry/pipelines:1" == found["spark.kubernetes.container.image"]
    assert ("step-1", "runs") == (found["spark.kubernetes.driver.pod.name"], found["spark.kubernetes.namespace"])
    assert "10.0.0.7" == found["spark.driver.bindAddress"]
    assert ("3", "2", "2g") == tuple(found[f"spark.executor.{name}"] for name in ("instances", "cores", "memory"))
    template = json.loads(Path(found["spark.kubernetes.executor.podTemplateFile"]).read_text())
    assert executor_pod(DRIVER) == template


def test_a_driver_outside_of_the_cluster_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not in a pod of that cluster"):
        settings(SPARK)
