"""The node's first process: makes its mounts, starts its servers, starts them again when they end, reaps orphans.

Run as a script, as the init of new mount, network and process namespaces::

    unshare --net --mount --pid --uts --ipc --fork --kill-child --mount-proc python node.py DIRECTORY

It reads ``DIRECTORY/node.json``, makes the mounts, waits for a line on standard input (by then the network is there),
and keeps ``DIRECTORY/servers.json`` current. It needs the standard library only, and a few megabytes.

Servers of Kubernetes write to places that are the same for every node of a machine: ``/run/containerd``,
``/var/lib/kubelet``, ``/var/log/containers``, ``/proc/sys``. Here each of these is a directory or a file of the lab.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.05
AFTER_SECONDS = 120.0
# A server that ends again and again is started once a second, so that its log stays readable.
RESTART_SECONDS = 1.0


class Node:
    """The servers and what became of them.

    Args:
        directory: of the lab.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.plan: dict[str, Any] = json.loads((directory / "node.json").read_text(encoding="utf-8"))
        self.servers: dict[str, dict[str, Any]] = {
            server["name"]: {**server, "pid": None, "starts": 0, "ended": None} for server in self.plan["servers"]
        }

    def mount(self) -> None:
        """Put the lab's own files over the places that the machine's nodes would share."""
        # Mounts of pods and volumes must reach the kubelet from the runtime and back, and never the machine.
        _mount("--make-rshared", "/")
        for source, target in self.plan["mounts"]:
            _mount("--bind", source, target)
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
        socket.sethostname(self.plan["hostname"])

    def route(self) -> None:
        """Let the kernel forward between pods, and show bridged packets to the rules for services."""
        for name in ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"):
            Path("/proc/sys", name).write_text("1", encoding="ascii")

    def serve(self) -> None:
        """Start everything in order, then look after it for ever."""
        for name in self.servers:
            self._wait_for(self.servers[name]["after"])
            self._start(name)
        while True:
            pid, status = os.waitpid(-1, 0)
            if (ended := self._ended(pid, status)) is not None:
                time.sleep(RESTART_SECONDS)
                self._start(ended)

    def _wait_for(self, after: str | None) -> None:
        """Wait for another server, but not for ever: who needs it ends without it, and is started again."""
        deadline = time.monotonic() + AFTER_SECONDS
        while after and not self._answers(after) and time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid and (ended := self._ended(pid, status)) is not None:
                    time.sleep(RESTART_SECONDS)
                    self._start(ended)
            time.sleep(POLL_SECONDS)

    def _answers(self, after: str) -> bool:
        """Whether somebody accepts connections, or says that it is ready when an address of the web is given."""
        if not after.startswith("https:"):
            return _listens(after)
        host, _, path = after.removeprefix("https://").partition("/")
        identity = self.plan["identity"]
        try:
            context = ssl.create_default_context(cafile=identity["authority"])
            context.load_cert_chain(identity["certificate"], identity["key"])
            connection = http.client.HTTPSConnection(host, timeout=1, context=context)
            with contextlib.closing(connection):
                connection.request("GET", f"/{path}")
                return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def _start(self, name: str) -> None:
        server = self.servers[name]
        log = os.open(self.directory / "log" / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            server["pid"] = os.posix_spawn(
                server["argv"][0],
                server["argv"],
                server["environment"],
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
                setsigdef=[signal.SIGPIPE],
                setsid=True,
            )
        finally:
            os.close(log)
        server["starts"] += 1
        self._record()

    def _ended(self, pid: int, status: int) -> str | None:
        for name, server in self.servers.items():
            if server["pid"] == pid:
                code = os.waitstatus_to_exitcode(status)
                server["pid"] = None
                server["ended"] = f"killed by signal {-code}" if code < 0 else f"ended with status {code}"
                self._record()
                return name
        return None  # an orphan of a pod or of a runtime

    def _record(self) -> None:
        facts = {name: {key: s[key] for key in ("pid", "starts", "ended")} for name, s in self.servers.items()}
        scratch = self.directory / "servers.json.new"
        scratch.write_text(json.dumps(facts), encoding="utf-8")
        scratch.replace(self.directory / "servers.json")


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, timeout=30)  # noqa: S607  (the distribution's, by root's path)


def _listens(address: str) -> bool:
    """Whether somebody accepts connections at ``unix:PATH`` or ``tcp:HOST:PORT``."""
    kind, _, place = address.partition(":")
    family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(1)
        if kind == "unix":
            return probe.connect_ex(place) == 0
        host, _, port = place.rpartition(":")
        return probe.connect_ex((host, int(port))) == 0


def main() -> None:
    """Be the init of the node."""
    node = Node(Path(sys.argv[1]))
    node.mount()
    # An init has no default actions: without this the kernel would ignore the signal.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if not sys.stdin.readline():
        sys.exit("Nobody made the network.")
    node.route()
    node.serve()


if __name__ == "__main__":
    main()
