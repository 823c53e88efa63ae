"""Ports of a cluster's services on this machine's loopback, for as long as somebody needs them.

Connections name services as pods see them (``kafka.datamill.svc:9092``). From outside, each connection to a forwarded
port becomes a stream to a pod behind the service, through the API server, with the rights that we have there.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import TYPE_CHECKING, Self

from datamill_infra.kubernetes.errors import ClusterError
from datamill_infra.kubernetes.objects import Ref, selector
from datamill_infra.kubernetes.pods import is_ready, trouble
from datamill_infra.model.connections import Connection
from datamill_infra.model.errors import UnhealthyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from datamill_infra.kubernetes.cluster import Cluster
    from datamill_infra.kubernetes.objects import Object

LOOPBACK = "127.0.0.1"
ADDRESS = re.compile(
    r"\b([a-z0-9](?:[a-z0-9-]*[a-z0-9])?)\.([a-z0-9](?:[a-z0-9-]*[a-z0-9])?)\.svc(?:\.cluster\.local)?:(\d+)"
)
CHUNK = 65_536


class Forwards:
    """Forwarded ports; a context manager that ends them.

    Args:
        cluster: whose services.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._open: dict[tuple[str, str, int], _Forward] = {}

    def __enter__(self) -> Self:
        """Nothing is open yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every port and every stream."""
        for forward in self._open.values():
            forward.close()
        self._open.clear()

    def here(self, connection: Connection) -> Connection:
        """The same connection with every service's address replaced by a forwarded one; in the cluster, itself.

        Raises:
            UnhealthyError: no pod of a service runs.
        """
        if self.cluster.inside:
            return connection
        changed = {
            name: ADDRESS.sub(lambda found: self._local(connection, found), value) if isinstance(value, str) else value
            for name, value in connection.fields.items()
        }
        if found := ADDRESS.fullmatch(split_address(connection)):
            host, _, port = self._local(connection, found).rpartition(":")
            changed |= {"host": host, "port": int(port)}
        return Connection(connection.capability, connection.component, changed, connection.secrets)

    def open(self, connection: Connection, namespace: str, service: str, port: int, local: int) -> int:
        """Forward one port of a service, also when its pods are replaced meanwhile.

        Args:
            connection: what it belongs to, for messages.
            namespace: of the service.
            service: its name.
            port: of the service.
            local: port on loopback; 0 for any that is free.

        Returns:
            The port on loopback.

        Raises:
            UnhealthyError: no pod of the service runs.
            OSError: the port on loopback cannot be had.
        """
        self._behind(connection, namespace, service, port)
        key = (namespace, service, port)
        self._open[key] = _Forward(self.cluster, namespace, lambda: self._behind(connection, *key), local)
        return self._open[key].port

    def spoken(self, text: str) -> str:
        """A message in which forwarded addresses are those of the services again."""
        for (namespace, service, port), forward in self._open.items():
            text = text.replace(f"{LOOPBACK}:{forward.port}", f"{service}.{namespace}.svc:{port}")
        return text

    def _local(self, connection: Connection, match: re.Match[str]) -> str:
        service, namespace, port = match[1], match[2], int(match[3])
        key = (namespace, service, port)
        if key not in self._open:
            found = self._behind(connection, *key)
            self._open[key] = _Forward(self.cluster, namespace, lambda: found)
        return f"{LOOPBACK}:{self._open[key].port}"

    def _behind(self, connection: Connection, namespace: str, service: str, port: int) -> tuple[str, int]:
        """A running pod of a service, and the number of its port."""
        found = self.cluster.get(Ref("v1", "Service", namespace, service))
        if found is None:
            raise _unhealthy(connection, f"there is no service {service} in namespace {namespace}")
        entry = next((entry for entry in found["spec"]["ports"] if entry["port"] == port), None)
        if entry is None:
            raise _unhealthy(connection, f"the service {service} has no port {port}")
        pods = self.cluster.find("v1", "Pod", namespace, selector(found["spec"].get("selector") or {"": ""}))
        running = [pod for pod in pods if pod.get("status", {}).get("phase") == "Running" and trouble(pod) is None]
        running.sort(key=is_ready, reverse=True)
        if not running:
            causes = [str(one) for pod in pods if (one := trouble(pod))]
            raise _unhealthy(connection, "; ".join(causes) or f"no pod of the service {service} runs")
        return str(running[0]["metadata"]["name"]), _number(running[0], entry.get("targetPort", port))


def split_address(connection: Connection) -> str:
    """``host:port`` of a connection that has the two in fields of their own; empty for others."""
    host, port = connection.fields.get("host"), connection.fields.get("port")
    return f"{host}:{port}" if host is not None and port is not None else ""


class _Forward:
    """One local port and the streams behind it."""

    def __init__(self, cluster: Cluster, namespace: str, behind: Callable[[], tuple[str, int]], local: int = 0) -> None:
        self._cluster, self._namespace, self._behind = cluster, namespace, behind
        self._listener = socket.create_server((LOOPBACK, local))
        self.port = int(self._listener.getsockname()[1])
        self._closed = False
        self._mutex = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """End the port, its streams and its threads."""
        with self._mutex:
            self._closed = True
            sockets = [*self._sockets]
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in sockets:
            _end(one)
        for thread in [*self._threads]:
            thread.join()
        for one in sockets:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                local, _ = self._listener.accept()
            except OSError:  # closed
                return
            self._start(self._serve, local)

    def _serve(self, local: socket.socket) -> None:
        try:
            remote = self._cluster.connect(self._namespace, *self._behind())
        except (ClusterError, UnhealthyError):
            local.close()  # whoever connected sees it closed, as with a server that is not there
            return
        with self._mutex:
            if self._closed:
                local.close()
                remote.close()
                return
            self._sockets += [local, remote]
        back = threading.Thread(target=_pump, args=(remote, local), daemon=True)
        back.start()
        _pump(local, remote)
        back.join()
        self._forget(local, remote)

    def _forget(self, *ended: socket.socket) -> None:
        """What has ended is closed at once: a client may make a connection for each thing it asks."""
        with self._mutex:
            if self._closed:  # then all are closed there
                return
            self._sockets = [one for one in self._sockets if one not in ended]
            self._threads = [thread for thread in self._threads if thread is not threading.current_thread()]
        for one in ended:
            one.close()

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        with self._mutex:
            if self._closed:
                for one in arguments:
                    if isinstance(one, socket.socket):
                        one.close()
                return
            self._threads.append(thread)
            thread.start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Copy until one side ends, then end both: the protocols here do not half-close."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    _end(source)
    _end(target)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def _number(pod: Object, target: object) -> int:
    if isinstance(target, int):
        return target
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or []:
            if port.get("name") == target:
                return int(port["containerPort"])
    raise ClusterError(
        f"The pod {pod['metadata']['name']} has no port {target!r}.", instruction="Correct the service's targetPort."
    )


def _unhealthy(connection: Connection, reason: str) -> UnhealthyError:
    return UnhealthyError(
        f"{connection.component} ({connection.capability}) is not healthy: {reason}.",
        instruction=f"`datamill status` shows its pods, `datamill logs {connection.component}` what they say.",
    )
