"""A cluster as tests use it: objects from YAML, waits that say what they saw, the logs of pods."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import yaml
from kubernetes import client, config, utils

if TYPE_CHECKING:
    from collections.abc import Callable

BUDGET_SECONDS = 120.0


class Cluster:
    """One cluster and one namespace of it."""

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self.api = config.new_client_from_config_dict(yaml.safe_load(kubeconfig))
        self.core = client.CoreV1Api(self.api)
        self.namespace = namespace

    def make_namespace(self, level: str = "restricted") -> None:
        labels = {"pod-security.kubernetes.io/enforce": level}
        self.core.create_namespace({"metadata": {"name": self.namespace, "labels": labels}})

    def make(self, text: str) -> None:
        for document in yaml.safe_load_all(text):
            utils.create_from_dict(self.api, document, namespace=self.namespace)

    def pod(self, name: str) -> Any:  # noqa: ANN401  (the client ships no types)
        return self.core.read_namespaced_pod(name, self.namespace)

    def logs(self, name: str) -> str:
        # As it came: the client would print the bytes as Python writes them.
        answer = self.core.read_namespaced_pod_log(name, self.namespace, _preload_content=False)
        return str(answer.data.decode("utf-8"))

    def run(self, name: str, script: str, *, claim: str | None = None, labels: dict[str, str] | None = None) -> str:
        """Run a pod to its end and return what it printed; a failed one is shown with its output."""
        self.make(pod_manifest(name, script, claim=claim, labels=labels))
        phase = self.wait(
            f"pod {name} ends",
            lambda: self.pod(name).status.phase in {"Succeeded", "Failed"} and self.pod(name).status.phase,
        )
        said = self.logs(name)
        assert phase == "Succeeded", said
        return said

    def wait(self, subject: str, ask: Callable[[], Any]) -> Any:  # noqa: ANN401  (what was asked for)
        deadline = time.monotonic() + BUDGET_SECONDS
        while not (answer := ask()):
            if time.monotonic() > deadline:
                events = self.core.list_namespaced_event(self.namespace).items
                told = "\n".join(f"{e.involved_object.name}: {e.reason} {e.message}" for e in events[-15:])
                raise AssertionError(f"{subject}: not within {BUDGET_SECONDS:.0f} s. Events:\n{told}")
            time.sleep(0.2)
        return answer

    def delete_pod(self, name: str) -> None:
        self.core.delete_namespaced_pod(name, self.namespace, grace_period_seconds=0)
        self.wait(
            f"pod {name} is gone",
            lambda: name not in {p.metadata.name for p in self.core.list_namespaced_pod(self.namespace).items},
        )


def pod_manifest(
    name: str, script: str, *, claim: str | None = None, labels: dict[str, str] | None = None, kind: str = "Pod"
) -> str:
    """A pod that the level *restricted* admits, or a Job of it; it runs a script in busybox."""
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "main",
                "image": "datamill.lab/busybox:1",
                "imagePullPolicy": "Never",
                "command": ["/busybox", "sh", "-c", script],
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  (of a pod)
                    *([{"name": "data", "mountPath": "/data"}] if claim else []),
                ],
            }
        ],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},  # the image has one file, and no folder
            *([{"name": "data", "persistentVolumeClaim": {"claimName": claim}}] if claim else []),
        ],
    }
    metadata = {"name": name, "labels": labels or {"app": name}}
    if kind == "Job":
        template = {"metadata": {"labels": metadata["labels"]}, "spec": spec}
        return yaml.safe_dump(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": metadata,
                "spec": {"backoffLimit": 0, "template": template},
            }
        )
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
