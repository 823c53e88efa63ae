"""multipass: a virtual machine of this machine with microk8s in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml

from datamill_infra.clusters.commands import CommandFailedError
from datamill_infra.clusters.tools.kubeconfigs import renamed
from datamill_infra.clusters.tools.tool import CREATE_SECONDS, LOAD_SECONDS, ToolProvider, loaded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datamill_infra.clusters.provider import ClusterStatus

IMAGE = "24.04"
# Enough for the flavour `demo`, whose pods ask for a little over half of it.
SIZE = ("--cpus", "4", "--memory", "12G", "--disk", "40G")
ARCHIVE = "/tmp/datamill-image.tar"  # noqa: S108  (in the virtual machine, which is ours alone)
RUNNING = "Running"


class MultipassProvider(ToolProvider):
    """Virtual machines of multipass, each with one cluster."""

    kind = "multipass"
    install = "Install multipass (`snap install multipass`, or canonical.com/multipass), or use --provider lab."

    def context(self, name: str) -> str:
        """Microk8s calls every cluster the same, so ours has the machine's name."""
        return f"multipass-{name}"

    def status(self, name: str) -> ClusterStatus:
        """The machine's state, and what microk8s says in it."""
        machines = {one["name"]: one["state"] for one in json.loads(self._run("list", "--format", "json"))["list"]}
        if name not in machines or machines[name] == "Deleted":
            return self._status(name, found=False, ready=False, answer="")
        if machines[name] != RUNNING:
            return self._status(name, found=True, ready=False, answer=f"the machine is {machines[name].lower()}")
        try:
            said = self._inside(name, "microk8s", "status", "--format", "yaml")
        except CommandFailedError as error:  # no microk8s in it yet
            return self._status(name, found=True, ready=False, answer=error.reason)
        running = bool(yaml.safe_load(said)["microk8s"]["running"])
        return self._status(name, found=True, ready=running, answer="running" if running else "not running")

    def load_image(self, name: str, archive: Path) -> Sequence[str]:
        """Copy the archive into the machine and import it there."""
        self._run("transfer", str(archive), f"{name}:{ARCHIVE}", seconds=LOAD_SECONDS)
        self._inside(name, "microk8s", "images", "import", ARCHIVE, seconds=LOAD_SECONDS)
        self._inside(name, "rm", ARCHIVE)
        return loaded(archive)

    def kubeconfig(self, name: str) -> str:
        """As microk8s prints it, under the machine's name."""
        return renamed(self._inside(name, "microk8s", "config"), self.context(name))

    def _create(self, name: str, *, exists: bool) -> None:
        if exists:
            self._run("start", name, seconds=CREATE_SECONDS)
        else:
            self._run("launch", IMAGE, "--name", name, *SIZE, "--timeout", "600", seconds=CREATE_SECONDS)
        # Each of these changes nothing where it has been done.
        self._inside(name, "snap", "install", "microk8s", "--classic", seconds=CREATE_SECONDS)
        self._inside(name, "microk8s", "status", "--wait-ready", "--timeout", "300", seconds=CREATE_SECONDS)
        for addon in ("dns", "hostpath-storage"):
            self._inside(name, "microk8s", "enable", addon, seconds=CREATE_SECONDS)

    def _delete(self, name: str) -> None:
        self._run("delete", name, "--purge", seconds=LOAD_SECONDS)

    def _inside(self, name: str, *argv: str, seconds: float = 60.0) -> str:
        return self._run("exec", name, "--", "sudo", *argv, seconds=seconds)
