"""Streams to pods of a real cluster, through its API server."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from cluster.cluster import Cluster, pod_manifest

from datamill_infra.clusters.lab.provider import LabProvider
from datamill_infra.kubernetes.api import ApiServer

SPEAKER = """
printf 'echo hello; exec /busybox sleep 20\\n' > /tmp/said
exec /busybox nc -ll -p 9000 -e /busybox sh /tmp/said
"""
TIMES = 60
"""One in twelve was never heard through the client's own forwarding, which waits for what is decrypted already."""

TALKER = "exec /busybox nc -ll -p 9000 -e /busybox head -c 134217728 /dev/zero"
MUCH = 134_217_728


@pytest.fixture
def server(provider: LabProvider, lab: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    file = tmp_path / "kubeconfig"
    file.write_text(provider.kubeconfig(lab))
    monkeypatch.setenv("KUBECONFIG", str(file))
    return ApiServer(provider.context(lab))


def test_much_is_carried_to_its_end(cluster: Cluster, server: ApiServer) -> None:
    cluster.make(pod_manifest("talker", TALKER))
    cluster.wait("talker runs", lambda: cluster.pod("talker").status.phase == "Running")

    def heard() -> int:
        with contextlib.closing(server.connect(cluster.namespace, "talker", 9000)) as stream:
            stream.settimeout(30.0)
            size = 0
            while part := stream.recv(1 << 20):
                size += len(part)
            return size

    cluster.wait("talker listens", heard)
    assert MUCH == heard()


def test_a_server_that_speaks_first_is_heard_each_time(cluster: Cluster, server: ApiServer) -> None:
    cluster.make(pod_manifest("speaker", SPEAKER))
    cluster.wait("speaker runs", lambda: cluster.pod("speaker").status.phase == "Running")

    def heard() -> bytes:
        with contextlib.closing(server.connect(cluster.namespace, "speaker", 9000)) as stream:
            stream.settimeout(5.0)
            return bytes(stream.recv(100))

    cluster.wait("speaker listens", heard)
    assert [b"hello\n"] * TIMES == [heard() for _ in range(TIMES)]
