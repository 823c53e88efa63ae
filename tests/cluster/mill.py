"""A deployment of Kafka and S3Proxy on a real cluster, driven by the command line as a user drives it."""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from datamill_infra.drivers.helm.sighting import KINDS
from datamill_infra.kubernetes.api import ApiServer
from datamill_infra.kubernetes.objects import Object, Ref

DATAMILL = (sys.executable, "-c", "from datamill_infra.cli import main; main()")
SECONDS = 400
RELEASES = ("kafka", "s3proxy")


@dataclass
class Mill:
    """One deployment."""

    home: Path
    kubeconfig: Path
    context: str
    namespace: str

    def __post_init__(self) -> None:
        (self.home / "flavours").mkdir(parents=True)
        text = "title: Small\nsummary: Two servers.\ncomponents: [kafka, s3proxy]\n"
        (self.home / "flavours" / "small.yaml").write_text(text)
        self.write()
        self.cluster = ApiServer(self.context)

    def write(self, **components: object) -> None:
        """What the user says about components."""
        file = {
            "flavour": "small",
            "target": "lab",
            "context": self.context,
            "namespaces": {"system": self.namespace, "runs": f"{self.namespace}-runs"},
            "components": {
                "kafka": {"values": {"heap": "300m", "storage": {"size": "1Gi"}}},
                "s3proxy": {"values": {"storage": {"size": "1Gi"}}},
                **components,
            },
        }
        (self.home / "deployment.yaml").write_text(yaml.safe_dump(file))

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command in a session of its own."""
        return subprocess.Popen(
            [*DATAMILL, "--home", str(self.home), *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self, *arguments: str, expect: int | None = 0, seconds: float = SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        done = subprocess.run(
            [*DATAMILL, "--home", str(self.home), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if expect is not None:
            assert expect == done.returncode, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def status(self) -> dict[str, Any]:
        """``datamill status --json``, whatever its exit code."""
        done = self.run("status", "--json", expect=None)
        assert done.stdout.startswith("{"), done.stderr
        return dict(json.loads(done.stdout)["components"])

    def plan(self) -> dict[str, Any]:
        """``datamill plan --json``, by component."""
        done = self.run("plan", "--json", expect=None)
        assert done.stdout.startswith("{"), done.stderr
        return {change["component"]: change for change in json.loads(done.stdout)["changes"]}

    def live(self) -> dict[Ref, Object]:
        """Every object of the namespace that is one of ours or of Kubernetes' own kinds."""
        kinds = [*KINDS, ("v1", "Pod"), ("v1", "PersistentVolumeClaim"), ("coordination.k8s.io/v1", "Lease")]
        with ThreadPoolExecutor(8) as pool:
            batches = pool.map(lambda kind: self.cluster.find(kind[0], kind[1], self.namespace), kinds)
            return {Ref.of(item): item for batch in batches for item in batch}

    def versions(self) -> dict[str, str]:
        """The resource version of every object, by which a write of any kind shows."""
        return {f"{ref.kind} {ref.name}": item["metadata"]["resourceVersion"] for ref, item in self.live().items()}

    def rendered(self) -> list[Object]:
        """The live objects that the charts render."""
        return [
            item
            for ref, item in sorted(self.live().items())
            if item["metadata"].get("annotations", {}).get("meta.helm.sh/release-name") in RELEASES
        ]


def readable(item: Object) -> Iterator[str]:
    """An object as text, and what its Secret holds, Helm's packed record included."""
    yield repr(item)
    for value in (item.get("data") or {}).values() if item["kind"] == "Secret" else ():
        content = base64.b64decode(value)
        if item["type"] == "helm.sh/release.v1":
            content = gzip.decompress(base64.b64decode(content))
        yield content.decode(errors="replace")


Edit = tuple[str, Callable[[Mill], None]]
"""What the status must say, and how it comes about."""


def random_edit(mill: Mill, chance: random.Random, number: int) -> Edit:
    """Something that a person with ``kubectl`` might do to one object."""
    objects = mill.rendered()
    item = chance.choice(objects)
    workload = chance.choice([one for one in objects if one["kind"] == "StatefulSet"])
    kinds = ["label", "annotation", "scale", "environment", "grace", "data", "own-label", "twin"]
    there = [one["kind"] for one in objects]
    # What is not there can't be edited, so the last of each kind stays.
    spare = [one for one in objects if there.count(one["kind"]) > 1]
    kind = chance.choice([*kinds, "delete"] if spare else kinds)
    name = f"stray-{number}"
    patches: dict[str, tuple[Object, str, Object]] = {
        "label": (item, f"metadata.labels.{name} was added", {"metadata": {"labels": {name: "x"}}}),
        "annotation": (item, f"metadata.annotations.{name} was added", {"metadata": {"annotations": {name: "x"}}}),
        "own-label": (
            item,
            "metadata.labels.app.kubernetes.io/part-of is 'x' instead of 'datamill'",
            {"metadata": {"labels": {"app.kubernetes.io/part-of": "x"}}},
        ),
        "scale": (workload, "spec.replicas is 0 instead of 1", {"spec": {"replicas": 0}}),
        "grace": (
            workload,
            "spec.template.spec.terminationGracePeriodSeconds is 7 instead of",
            {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 7}}}},
        ),
        "environment": (
            workload,
            f"env[{name}] was added",
            {"spec": {"template": {"spec": {"containers": [_container(workload, name)]}}}},
        ),
        "data": (
            next(one for one in objects if one["kind"] == "ConfigMap"),
            f"data.{name} was added",
            {"data": {name: "x"}},
        ),
    }
    if kind == "delete":
        ref = Ref.of(chance.choice(spare))
        return f"{ref} is missing", lambda mill: mill.cluster.delete(ref)
    if kind == "twin":
        source = next(one for one in objects if one["kind"] == "ConfigMap")
        metadata = {"name": name, "namespace": mill.namespace, "labels": source["metadata"]["labels"]}
        twin = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"x": "y"}}
        return f"ConfigMap {name} was added", lambda mill: _create(mill, twin)
    target, told, patch = patches[kind]
    return f"{Ref.of(target)}: {told}" if kind != "environment" else told, lambda mill: _patch(mill, target, patch)


def _container(workload: Object, name: str) -> Object:
    container = workload["spec"]["template"]["spec"]["containers"][0]["name"]
    return {"name": container, "env": [{"name": name, "value": "x"}]}


def _create(mill: Mill, item: Object) -> None:
    mill.cluster._request(
        "POST", f"/api/v1/namespaces/{mill.namespace}/configmaps", {"fieldManager": "kubectl-create"}, body=item
    )


def _patch(mill: Mill, item: Object, patch: Object) -> None:
    """As ``kubectl patch`` does: a strategic merge in the name of ``kubectl-patch``."""
    path = f"{mill.cluster._place(item)}/{item['metadata']['name']}"
    content = "application/strategic-merge-patch+json"
    mill.cluster._request("PATCH", path, {"fieldManager": "kubectl-patch"}, body=patch, content=content)
