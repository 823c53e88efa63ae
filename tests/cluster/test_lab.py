"""The lab is a Kubernetes: pods run, names resolve, volumes keep, policies hold."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from cluster.cluster import pod_manifest
from kubernetes.client.exceptions import ApiException

from datamill_infra.clusters.lab import processes

if TYPE_CHECKING:
    from cluster.cluster import Cluster

    from datamill_infra.clusters.lab.provider import LabProvider

WEB = "mkdir /tmp/w; echo hello from $(hostname) > /tmp/w/index.html; exec /busybox httpd -f -p 8080 -h /tmp/w"
# A static program cannot use the C library's tables of names: wget and the library's resolver end with a fault. So the
# list of domains is gone through by hand, and the request is written out.
ASK = r"""
for end in "" $(sed -n 's/^search //p' /etc/resolv.conf); do
  address=$(/busybox nslookup -type=a "NAME${end:+.$end}" | sed -n '/^Name/,$s/^Address: //p')
  [ -n "$address" ] && break
done
said=$(printf 'GET / HTTP/1.0\r\n\r\n' | /busybox nc -w 3 "$address" 80 | tail -n 1)
echo "${said:-refused}"
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Mi}}}
"""
ONLY_FRIENDS = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-friends}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {friend: "yes"}}}], ports: [{port: 8080}]}]
"""


def test_node_is_ready_and_no_server_was_started_again(provider: LabProvider, lab: str) -> None:
    status = provider.status(lab)
    assert ("ready", []) == (status.state, [check for check in status.checks if not check.passed])
    found = provider.records.find(lab)
    assert found is not None
    assert {1} == {facts["starts"] for facts in processes.servers(found).values()}


def test_job_runs_and_its_logs_can_be_read(cluster: Cluster) -> None:
    cluster.make(pod_manifest("count", "for i in 1 2 3; do echo line $i; done", kind="Job"))
    pods = cluster.wait(
        "the job's pod succeeds",
        lambda: [p for p in cluster.core.list_namespaced_pod(cluster.namespace).items if p.status.phase == "Succeeded"],
    )
    assert "line 1\nline 2\nline 3\n" == cluster.logs(pods[0].metadata.name)


def _web(cluster: Cluster) -> None:
    cluster.make(pod_manifest("web", WEB))
    cluster.make(SERVICE)
    cluster.wait("web runs", lambda: cluster.pod("web").status.phase == "Running")


def test_service_is_found_by_name(cluster: Cluster) -> None:
    _web(cluster)
    for name in ("web", f"web.{cluster.namespace}", f"web.{cluster.namespace}.svc.cluster.local"):
        said = cluster.run(f"ask-{name.count('.')}", ASK.replace("NAME", name))
        assert "hello from web\n" == said


def test_claim_keeps_its_data_when_the_pod_goes(cluster: Cluster) -> None:
    cluster.make(CLAIM)
    cluster.run("writer", "echo kept > /data/file", claim="kept")
    cluster.delete_pod("writer")
    assert "kept\n" == cluster.run("reader", "cat /data/file", claim="kept")


def test_volume_goes_with_its_claim(cluster: Cluster, provider: LabProvider, lab: str) -> None:
    cluster.make(CLAIM)
    cluster.run("writer", "echo kept > /data/file", claim="kept")
    volume = cluster.core.read_namespaced_persistent_volume_claim("kept", cluster.namespace).spec.volume_name
    found = provider.records.find(lab)
    assert found is not None
    folder = found.path("volumes", volume)
    assert folder.is_dir()
    cluster.delete_pod("writer")
    cluster.core.delete_namespaced_persistent_volume_claim("kept", cluster.namespace)
    cluster.wait("the volume is gone", lambda: not folder.exists())


def test_network_policy_is_enforced(cluster: Cluster) -> None:
    _web(cluster)
    ask = ASK.replace("NAME", f"web.{cluster.namespace}.svc.cluster.local")
    _asked_until(cluster, "before", ask, "hello from web\n")  # that it runs does not mean that it listens yet
    cluster.make(ONLY_FRIENDS)
    _asked_until(cluster, "stranger", ask, "refused\n")
    _asked_until(cluster, "friend", ask, "hello from web\n", labels={"friend": "yes"})


def _asked_until(cluster: Cluster, name: str, ask: str, answer: str, *, labels: dict[str, str] | None = None) -> None:
    """The agent, which has to hear of each pod that asks, and the server need a moment."""
    for attempt in range(30):
        if cluster.run(f"{name}-{attempt}", ask, labels=labels).endswith(answer):
            return
        time.sleep(0.5)
    pytest.fail(f"{name} does not get the answer {answer!r}.")


def test_pod_that_violates_restricted_is_refused(cluster: Cluster) -> None:
    manifest = {"metadata": {"name": "bad"}, "spec": {"containers": [{"name": "a", "image": "datamill.lab/busybox:1"}]}}
    with pytest.raises(ApiException, match="violates PodSecurity"):
        cluster.core.create_namespaced_pod(cluster.namespace, manifest)


def test_audit_log_has_writes_and_no_reads(cluster: Cluster, provider: LabProvider, lab: str) -> None:
    cluster.core.create_namespaced_config_map(cluster.namespace, {"metadata": {"name": "seen"}})
    cluster.core.read_namespaced_config_map("seen", cluster.namespace)
    found = provider.records.find(lab)
    assert found is not None
    lines = [json.loads(line) for line in found.path("log", "audit.log").read_text().splitlines()]
    ours = [line["verb"] for line in lines if line["objectRef"].get("name") == "seen"]
    assert ["create"] == ours
    assert {"create", "update", "patch", "delete", "deletecollection"} >= {line["verb"] for line in lines}
