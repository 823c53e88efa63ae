"""What containers write, line by line as they write it, until somebody has read enough.

Pods come and go meanwhile: a container that was started after the first look is read from its first line.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from datamill_infra.kubernetes.errors import ClusterError
from datamill_infra.kubernetes.pods import container_statuses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from datamill_infra.kubernetes.cluster import Cluster
    from datamill_infra.kubernetes.objects import Object

LOOK_SECONDS = 2.0

Line = tuple[str, str]
"""``pod/container``, and what it wrote."""


def follow(cluster: Cluster, pods: Callable[[], Iterable[Object]], *, seconds: float = LOOK_SECONDS) -> Iterator[Line]:
    """Yield lines without end.

    Args:
        cluster: where.
        pods: whose containers; asked again and again.
        seconds: between two looks for new containers.
    """
    lines: queue.SimpleQueue[Line] = queue.SimpleQueue()
    known: set[tuple[str, str, int]] = set()
    first = True
    while True:
        for pod in pods():
            for container in _running(pod):
                if container not in known:
                    known.add(container)
                    # It waits in a read that nothing ends but the container, or this process.
                    reading = (cluster, pod, container[1], lines, first)
                    threading.Thread(target=_read, args=reading, name="follow", daemon=True).start()
        first = False
        try:
            while True:
                yield lines.get(timeout=seconds)
        except queue.Empty:
            continue


def _running(pod: Object) -> Iterator[tuple[str, str, int]]:
    """Each start of a container is one of its own."""
    for status in container_statuses(pod):
        if "running" in status.get("state", {}):
            yield str(pod["metadata"].get("uid")), str(status["name"]), int(status.get("restartCount", 0))


def _read(cluster: Cluster, pod: Object, container: str, lines: queue.SimpleQueue[Line], new_only: bool) -> None:  # noqa: FBT001
    name, namespace = str(pod["metadata"]["name"]), str(pod["metadata"]["namespace"])
    try:
        for line in cluster.follow_log(namespace, name, container, new_only=new_only):
            lines.put((f"{name}/{container}", line))
    except ClusterError as error:
        lines.put((f"{name}/{container}", f"({error.reason})"))
