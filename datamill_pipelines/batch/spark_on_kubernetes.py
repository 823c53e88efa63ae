"""Spark's settings for a driver in a pod, whose executors are pods of their own.

An executor is as its driver: the same image, the same security context, the same namespace; and it goes when the
driver's pod goes, which owns it. It has no token of the API server.

Source: https://spark.apache.org/docs/latest/running-on-kubernetes.html (client mode, pod template).
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from datamill_infra.model.connections import ResolvedConnection

MASTER = "k8s://"
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
# The network policy of runs lets drivers and executors talk to each other here.
DRIVER_PORT, BLOCKS_PORT = 7078, 7079
CONTAINER = "executor"
EXECUTOR = "/opt/datamill/bin/spark-executor"
SCRATCH = "/var/lib/datamill"


def settings(spark: ResolvedConnection) -> dict[str, str]:
    """What a session's configuration has in addition.

    Args:
        spark: the connection; ``executors``, ``cores`` and ``memory`` are of the executors.

    Raises:
        ConfigurationError: this process is not in a pod.
    """
    pod = _own_pod()
    template = Path(tempfile.mkdtemp(prefix="datamill-spark-")) / "executor.json"
    template.write_text(json.dumps(executor_pod(pod)), encoding="utf-8")
    container = pod["spec"]["containers"][0]
    return {
        "spark.driver.host": pod["status"]["podIP"],
        # Spark tells executors this one.
        "spark.driver.bindAddress": pod["status"]["podIP"],
        "spark.driver.port": str(DRIVER_PORT),
        "spark.blockManager.port": str(BLOCKS_PORT),
        "spark.executor.instances": str(spark.get("executors")),
        "spark.executor.cores": str(spark.get("cores")),
        "spark.executor.memory": spark.text("memory"),
        "spark.executor.extraClassPath": f"{spark.text('jars')}/*",
        "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.local.dir": SCRATCH,
        "spark.kubernetes.namespace": pod["metadata"]["namespace"],
        "spark.kubernetes.driver.pod.name": pod["metadata"]["name"],
        "spark.kubernetes.container.image": container["image"],
        "spark.kubernetes.container.image.pullPolicy": container["imagePullPolicy"],
        "spark.kubernetes.executor.podTemplateFile": str(template),
        "spark.kubernetes.executor.podTemplateContainerName": CONTAINER,
        "spark.kubernetes.executor.podNamePrefix": f"spark-{pod['metadata']['uid'][:8]}",
        # Settings that an executor needs come with its first message; a ConfigMap would be one more right.
        "spark.kubernetes.executor.disableConfigMap": "true",
        "spark.kubernetes.driver.ownPersistentVolumeClaim": "false",
        "spark.kubernetes.executor.request.cores": "100m",
    }


def executor_pod(driver: dict[str, Any]) -> dict[str, Any]:
    """The template of an executor's pod.

    Args:
        driver: the pod of the driver, as the API server has it.
    """
    container = driver["spec"]["containers"][0]
    labels = {
        name: value for name, value in driver["metadata"]["labels"].items() if name == "app.kubernetes.io/part-of"
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"labels": {**labels, "app.kubernetes.io/name": "spark-executor"}},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "securityContext": driver["spec"]["securityContext"],
            "containers": [
                {
                    "name": CONTAINER,
                    "command": [EXECUTOR],
                    "securityContext": container["securityContext"],
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108  (of a pod)
                }
            ],
            "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}],
        },
    }


def _own_pod() -> dict[str, Any]:
    if not NAMESPACE_FILE.is_file():
        raise ConfigurationError(
            f"Spark's master is {MASTER}..., and this process is not in a pod of that cluster.",
            instruction="Run the job in the cluster: `datamill run JOB`.",
        )
    from kubernetes import client, config  # noqa: PLC0415  (slow to import)

    config.load_incluster_config()
    api = client.ApiClient()
    pod = client.CoreV1Api(api).read_namespaced_pod(os.environ["HOSTNAME"], NAMESPACE_FILE.read_text(encoding="utf-8"))
    found: dict[str, Any] = api.sanitize_for_serialization(pod)
    return found
