"""Streams to pods of a real cluster, through its API server."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from cluster.cluster import Cluster, pod_manifest

from datamill_infra.clusters.lab.provider import LabProvider
from datamill_infra.kubernetes.api import ApiServer

Heard = TypeVar("Heard", int, bytes)

SPEAKER = """
printf 'echo hello; exec /busybox sleep 20\\n' > /tmp/said
exec /busybox nc -ll -p 9000 -e /busybox sh /tmp/said
"""
TIMES = 60
"""One in twelve was never heard through the client's own forwarding, which waits for what is decrypted already."""

MUCH = 128 << 20
TALKER = f"exec /busybox nc -ll -p 9000 -e /busybox head -c {MUCH} /dev/zero"


@pytest.fixture
def server(provider: LabProvider, lab: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    file = tmp_path / "kubeconfig"
    file.write_text(provider.kubeconfig(lab))
    monkeypatch.setenv("KUBECONFIG", str(file))
    return ApiServer(provider.context(lab))


def _speaker(
    cluster: Cluster, server: ApiServer, script: str, read: Callable[[socket.socket], Heard]
) -> Callable[[], Heard]:
    """A pod that speaks to whoever connects; each call of what is returned connects and reads."""
    cluster.make(pod_manifest("speaker", script))
    cluster.wait("speaker runs", lambda: cluster.pod("speaker").status.phase == "Running")

    def heard() -> Heard:
        with contextlib.closing(server.connect(cluster.namespace, "speaker", 9000)) as stream:
            stream.settimeout(5.0)
            return read(stream)

    cluster.wait("speaker listens", heard)
    return heard


def _to_its_end(stream: socket.socket) -> int:
    size = 0
    while part := stream.recv(1 << 20):
        size += len(part)
    return size


def test_much_is_carried_to_its_end(cluster: Cluster, server: ApiServer) -> None:
    heard = _speaker(cluster, server, TALKER, _to_its_end)
    assert MUCH == heard()


def test_a_server_that_speaks_first_is_heard_each_time(cluster: Cluster, server: ApiServer) -> None:
    heard = _speaker(cluster, server, SPEAKER, lambda stream: stream.recv(100))
    assert [b"hello\n"] * TIMES == [heard() for _ in range(TIMES)]
