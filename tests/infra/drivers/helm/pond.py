"""A deployment of two small releases, ``fly`` depending on ``frog``, on a cluster in memory, with a real server."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datamill_infra.drivers.helm.driver import HelmDriver
from datamill_infra.drivers.helm.fake import FakeHelm
from datamill_infra.drivers.passes import Event, Outcome
from datamill_infra.drivers.releases import Releases
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.kubernetes.cluster import Cluster
from datamill_infra.kubernetes.memory import MemoryCluster
from datamill_infra.kubernetes.objects import Object, Ref, labels_of
from datamill_infra.kubernetes.pods import is_ready
from datamill_infra.kubernetes.readiness import REVISION_LABEL
from datamill_infra.model.deployment import Deployment

NAMESPACE = "datamill"
CAPABILITY = """
import urllib.request

from datamill_infra.capabilities import Observation
from datamill_infra.model.errors import UnhealthyError


def probe(connection, *, timeout):
    try:
        with urllib.request.urlopen(connection.text("url"), timeout=timeout) as answer:
            return Observation(f"answers {answer.status}", {"password": connection.text("password")}, 0.0)
    except OSError as error:
        raise UnhealthyError(f"{connection.text('url')} is silent.", instruction="Start it.") from error


def environment(connection):
    return {}
"""
COMPONENT = """
title: A frog
summary: A small web server.
homepage: https://example.org
licence: Apache-2.0
provides: [NAME]
needs: NEEDS
helm:
  host: "NAME.${namespace}.svc"
  ports: {http: 80}
  secrets: {password: {secret: NAME-credentials, key: password}}
  values: {colour: green}
  units:
    - name: NAME
      kind: chart
      source: own:NAME
      version: "1.2.3"
      stateful: STATEFUL
      keep: [data]
      values: {colour: "${values.colour}"}
      ready: [{rollout: statefulset/NAME, seconds: 1}]
connection:
  NAME:
    fields: {url: "http://${host}:${ports.http}", colour: "${values.colour}"}
    secrets: {password: password}
health: {start_seconds: 1, timeout_seconds: 1}
"""


def render(release: str, namespace: str, values: Mapping[str, Any]) -> list[Object]:
    labels = {"app.kubernetes.io/instance": release, "app.kubernetes.io/managed-by": "Helm"}
    metadata = {"name": release, "namespace": namespace, "labels": labels}
    container = {"name": "web", "image": "frog:1", "env": [{"name": "COLOUR", "value": values["colour"]}]}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"colour": values["colour"]}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": metadata,
            "spec": {"replicas": 1, "template": pod},
        },
    ]


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Pond:
    """One deployment under test.

    ``trouble`` keeps the pods of a release waiting with that reason: all, or those of the colour ``sick`` only.
    """

    home: Path
    cluster: MemoryCluster = field(default_factory=MemoryCluster)
    trouble: dict[str, str] = field(default_factory=dict)
    sick: str | None = None

    def __post_init__(self) -> None:
        self.cluster.on_write = self._control
        self.helm: Any = FakeHelm(self.cluster, {"frog": render, "fly": render})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        for name, needs in (("frog", "{}"), ("fly", "{frog: {}}")):
            self._files(name, needs)
        self._without_units()
        (self.home / "flavours").mkdir()
        (self.home / "flavours" / "pond.yaml").write_text("title: Pond\nsummary: Two.\ncomponents: [frog, fly]\n")
        self.write()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def write(self, text: str = "") -> None:
        """The deployment's file."""
        (self.home / "deployment.yaml").write_text(f"flavour: pond\ntarget: kind\ncontext: memory\n{text}")

    @property
    def driver(self) -> HelmDriver:
        """As another process on this machine would have it."""
        deployment = Deployment.load(self.home)
        return HelmDriver(
            deployment,
            Releases(deployment.releases_file),
            cluster=self.door(),
            helm=self.helm,
            charts=self.home / "helm",
        )

    @property
    def rollout(self) -> Rollout:
        driver = self.driver
        driver.deployment.state_dir.mkdir(exist_ok=True)
        return Rollout(driver.deployment, {"helm": driver})

    def door(self) -> Cluster:
        """To the cluster, as another process would have it."""
        return self.cluster

    def up(self, *names: str, on_event: Callable[[Event], None] = lambda _: None) -> dict[str, Outcome]:
        return self.rollout.up(names or None, on_event=on_event)

    def statuses(self) -> dict[str, str]:
        return {name: outcome.status for name, outcome in self.up().items()}

    def states(self) -> dict[str, str]:
        return {change.component: change.state.value for change in self.rollout.plan()}

    def ref(self, kind: str, name: str = "frog") -> Ref:
        version = {"StatefulSet": "apps/v1", "Lease": "coordination.k8s.io/v1"}.get(kind, "v1")
        return Ref(version, kind, NAMESPACE, name)

    def written(self) -> list[str]:
        """What was written since the last call."""
        found = [f"{verb} {ref.kind} {ref.name}" for verb, ref in self.cluster.writes]
        self.cluster.writes.clear()
        return found

    def _files(self, name: str, needs: str) -> None:
        folder = self.home / "catalogue" / name
        folder.mkdir(parents=True)
        text = COMPONENT.replace("NAME", name).replace("NEEDS", needs)
        text = text.replace("STATEFUL", "true" if name == "frog" else "false")
        (folder / "component.yaml").write_text(text, encoding="utf-8")
        (folder / f"capability_{name}.py").write_text(CAPABILITY, encoding="utf-8")
        for chart, version in ((name, "1.2.3"), ("library", "0.1.0")):
            (self.home / "helm" / chart / "templates").mkdir(parents=True, exist_ok=True)
            text = f'apiVersion: v2\nname: {chart}\nversion: "{version}"\n'
            (self.home / "helm" / chart / "Chart.yaml").write_text(text, encoding="utf-8")
        # What the function renders, as the real Helm would.
        items = render("{{ .Release.Name }}", "{{ .Release.Namespace }}", {"colour": "{{ .Values.colour }}"})
        text = "\n---\n".join(json.dumps(item) for item in items)
        (self.home / "helm" / name / "templates" / "all.yaml").write_text(text, encoding="utf-8")
        (self.home / "helm" / "images.yaml").write_text("global: {images: {}}\n", encoding="utf-8")

    def _without_units(self) -> None:
        """A component that is nothing but an address: the frog's, under another name."""
        folder = self.home / "catalogue" / "echo"
        folder.mkdir()
        text = COMPONENT.replace("NAME", "echo").replace("NEEDS", "{frog: {}}")
        text = (
            text[: text.index("helm:")] + "helm: {units: []}\nconnection:\n  echo:\n    fields: {url: '${frog.url}'}\n"
        )
        text += "    secrets: {password: '${frog.password}'}\nhealth: {start_seconds: 1, timeout_seconds: 1}\n"
        (folder / "component.yaml").write_text(text, encoding="utf-8")
        (folder / "capability_echo.py").write_text(CAPABILITY, encoding="utf-8")

    def _control(self, ref: Ref) -> None:
        """What the controllers of a cluster would do."""
        if ref.kind == "Pod":
            ref = Ref("apps/v1", "StatefulSet", NAMESPACE, ref.name.removesuffix("-0"))
        if ref.kind != "StatefulSet" or ref.name not in ("frog", "fly"):
            return
        pod = Ref("v1", "Pod", NAMESPACE, f"{ref.name}-0")
        workload = self.cluster.get(ref)
        if workload is None:
            self.cluster.objects.pop(pod, None)
            return
        template = workload["spec"]["template"]
        revision = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:8]
        before = self.cluster.get(pod)
        # As the real one: it waits for a pod that does not run, also when its revision is not wanted any more.
        waits = before is not None and not is_ready(before) and labels_of(before)[REVISION_LABEL] != revision
        colour = template["spec"]["containers"][0]["env"][0]["value"]
        reason = self.trouble.get(ref.name) if self.sick in (None, colour) else None
        ready = 0 if reason or waits else 1
        workload["status"] = {
            "replicas": 1,
            "readyReplicas": ready,
            "currentRevision": revision,
            "updateRevision": revision,
        }
        self.cluster.put(workload)
        if waits:
            return
        waiting = [{"name": "web", "state": {"waiting": {"reason": reason, "message": "no such image"}}}]
        self.cluster.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": pod.name,
                    "namespace": NAMESPACE,
                    "labels": {**template["metadata"]["labels"], REVISION_LABEL: revision},
                    "ownerReferences": [{"kind": "StatefulSet", "name": ref.name}],
                },
                "spec": template["spec"],
                "status": {
                    "phase": "Pending" if reason else "Running",
                    "conditions": [{"type": "Ready", "status": "False" if reason else "True"}],
                    "containerStatuses": waiting if reason else [],
                },
            }
        )
        self.cluster.ports[pod.name, 8080] = self.server.server_port
