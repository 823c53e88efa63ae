"""The provider ``lab``: making, asking and removing labs."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.clusters.commands import ClusterError, RealCommands
from datamill_infra.clusters.lab import processes
from datamill_infra.clusters.lab.api import ApiServer, manifests
from datamill_infra.clusters.lab.builds import COREDNS, COREDNS_VERSION, KUBERNETES, PAUSE, GoBuilds
from datamill_infra.clusters.lab.groups import make_group, remove_groups
from datamill_infra.clusters.lab.images import write_image
from datamill_infra.clusters.lab.layout import DOMAIN, Lab
from datamill_infra.clusters.lab.pki import write_pki
from datamill_infra.clusters.lab.readiness import checks, wait_until_ready
from datamill_infra.clusters.lab.records import LabRecords
from datamill_infra.clusters.lab.requirements import install_missing, require_root
from datamill_infra.clusters.lab.servers import KERNEL_SETTINGS, Programs, node_plan
from datamill_infra.clusters.lab.settings import (
    RUNTIME_SOCKET,
    SANDBOX_IMAGE,
    kubeconfig,
    may_protect_from_oom,
    write_settings,
)
from datamill_infra.clusters.lab.sources import lab_sources
from datamill_infra.clusters.provider import ClusterProvider, ClusterStatus, checked_name, quiet
from datamill_infra.drivers.files import write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datamill_infra.clusters.commands import Commands

DNS_IMAGE = f"datamill.lab/coredns:{COREDNS_VERSION}"
# A large image on a busy disk.
LOAD_SECONDS = 600.0
# Places of the machine that the node puts its own directories over; only what a lab made itself is removed.
SHARED_PLACES = (Path("/var/lib/kubelet"), Path("/var/lib/cni"))


class LabProvider(ClusterProvider):
    """Labs of this machine.

    Args:
        commands: the door to programs.
        records: which labs there are.
        clock: monotonic seconds.
        sleep: waits.
    """

    kind = "lab"

    def __init__(
        self,
        commands: Commands | None = None,
        records: LabRecords | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._commands = commands or RealCommands()
        self.records = records or LabRecords(self._commands)
        self._clock = clock
        self._sleep = sleep

    def context(self, name: str) -> str:
        """E.g. ``datamill-lab-shared``."""
        return Lab(checked_name(name), 0, Path()).context

    def create(self, name: str, *, notify: Callable[[str], None] = quiet) -> ClusterStatus:
        """Build what is not built, start what does not run, and wait until the node and its name server are ready."""
        checked_name(name)
        require_root("A lab")
        install_missing(self._commands, notify=notify)
        builds = GoBuilds(self._commands, notify=notify)
        programs = Programs(
            kubernetes=builds.program(KUBERNETES),
            containerd=self._program("containerd"),
            etcd=self._program("etcd"),
        )
        pause, coredns = builds.program(PAUSE), builds.program(COREDNS)
        lab = self.records.claim(name)
        if processes.find_init(lab) is None:
            notify(f"Starting the node {lab.node} at {lab.node_address}.")
            self._start(lab, programs)
        wait_until_ready(lab, "runtime", self._ask_runtime, clock=self._clock, sleep=self._sleep)
        for reference, program in ((SANDBOX_IMAGE, pause), (DNS_IMAGE, coredns)):
            archive = lab.path(f"{program.name}.tar")
            write_image(archive, reference, program)
            self.load_image(name, archive)
            archive.unlink()
        api = ApiServer(lab)
        notify("Waiting for the API server.")
        wait_until_ready(lab, "API server", lambda _: api.ready(), clock=self._clock, sleep=self._sleep)
        values = {"domain": DOMAIN, "dns_image": DNS_IMAGE, "dns_address": lab.dns_address}
        for manifest in manifests(lab_sources() / "manifests", values):
            api.apply(manifest)
        notify("Waiting for the node and the name server.")
        wait_until_ready(lab, "cluster", lambda _: _first_failure(api, lab), clock=self._clock, sleep=self._sleep)
        return self.status(name)

    def delete(self, name: str, *, notify: Callable[[str], None] = quiet) -> None:
        """End every process of the lab and remove what it wrote, its images and volumes included."""
        lab = self.records.find(checked_name(name))
        if lab is None:
            return
        require_root("Removing a lab")
        notify(f"Ending the processes of {lab.node}.")
        processes.end(lab)
        remove_groups(lab)
        notify(f"Removing {lab.directory}.")
        with self.records.lock():
            shutil.rmtree(lab.directory)
            if not self.records.names():
                for place in SHARED_PLACES:
                    with contextlib.suppress(OSError):  # it is not ours, or somebody put something there
                        place.rmdir()

    def status(self, name: str) -> ClusterStatus:
        """Ask the API server and look at the processes."""
        lab = self.records.find(checked_name(name))
        if lab is None:
            return ClusterStatus(self.kind, name, "absent", self.context(name))
        if processes.find_init(lab) is None:
            return ClusterStatus(self.kind, name, "stopped", lab.context)
        found = checks(ApiServer(lab), lab)
        ready = all(check.passed for check in found)
        return ClusterStatus(self.kind, name, "ready" if ready else "unready", lab.context, found)

    def load_image(self, name: str, archive: Path) -> Sequence[str]:
        """Import an archive into the node's container runtime."""
        lab = self._existing(name)
        said = self._run_inside(
            lab,
            ["ctr", "--address", RUNTIME_SOCKET, "--namespace", "k8s.io", "images", "import", str(archive.resolve())],
        )
        # A line a reference, with the digest and the progress after it.
        return [line.split()[1] for line in said.splitlines() if line.startswith("unpacking ")]

    def kubeconfig(self, name: str) -> str:
        """The administrator's."""
        return kubeconfig(self._existing(name), "admin")

    def _start(self, lab: Lab, programs: Programs) -> None:
        for folder in ("log", "kubelet", "cni", "kernel", "volumes", "etcd", "containerd"):
            # Volumes are reached by pods as any user; the directory above admits nobody else.
            lab.path(folder).mkdir(exist_ok=True, mode=0o700)
        for place in SHARED_PLACES:
            place.mkdir(parents=True, exist_ok=True)
        for setting, value in KERNEL_SETTINGS.items():
            write_private(lab.path("kernel", setting), f"{value}\n")
        write_pki(lab)
        write_settings(lab, restricted_scores=not may_protect_from_oom())
        write_private(lab.path("node.json"), json.dumps(node_plan(lab, programs), indent=2))
        lab.path("servers.json").unlink(missing_ok=True)
        make_group(lab)
        processes.start(self._commands, lab)

    def _ask_runtime(self, lab: Lab) -> str | None:
        if processes.find_init(lab) is None:
            return "The node's first process has ended."
        try:
            self._run_inside(lab, ["ctr", "--address", RUNTIME_SOCKET, "version"])
        except ClusterError as error:
            return error.reason
        return None

    def _run_inside(self, lab: Lab, argv: Sequence[str]) -> str:
        init = processes.find_init(lab)
        if init is None:
            raise ClusterError(
                f"The lab {lab.name} does not run.",
                instruction=f"Start it: datamill cluster create {lab.name} --provider lab",
            )
        return self._commands.run(processes.inside(init, argv), seconds=LOAD_SECONDS)

    def _existing(self, name: str) -> Lab:
        lab = self.records.find(checked_name(name))
        if lab is None:
            raise ClusterError(
                f"There is no lab {name!r} (there are: {', '.join(self.records.names()) or 'none'}).",
                instruction=f"Make it: datamill cluster create {name} --provider lab",
            )
        return lab

    def _program(self, name: str) -> Path:
        found = self._commands.find(name)
        if found is None:
            raise ClusterError(f"There is no `{name}`.", instruction="Install it from the distribution.")
        return Path(found)


def _first_failure(api: ApiServer, lab: Lab) -> str | None:
    return next((f"{check.subject}: {check.answer}" for check in checks(api, lab) if not check.passed), None)
