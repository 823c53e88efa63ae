"""What this machine must have for a lab, and how it gets it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.clusters.commands import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from datamill_infra.clusters.commands import Commands

CNI_FOLDER = Path("/usr/lib/cni")
# Program to the package of Debian and Ubuntu that brings it.
PROGRAMS: Mapping[str, str] = {
    "containerd": "containerd",
    "runc": "runc",
    "etcd": "etcd-server",
    "iptables": "iptables",
    "ipset": "ipset",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "mount": "mount",
    "nsenter": "util-linux",
    "unshare": "util-linux",
}
PLUGINS_PACKAGE = "containernetworking-plugins"
INSTALL_SECONDS = 900.0


def missing_packages(commands: Commands, programs: Mapping[str, str] = PROGRAMS) -> list[str]:
    """Packages of the distribution that are needed and not there, each once, sorted."""
    missing = {package for program, package in programs.items() if commands.find(program) is None}
    if programs is PROGRAMS and not all(
        (CNI_FOLDER / plugin).is_file() for plugin in ("bridge", "host-local", "loopback")
    ):
        missing.add(PLUGINS_PACKAGE)
    return sorted(missing)


def require_root(what: str) -> None:
    """Refuse to go on as anybody but root.

    Args:
        what: needs it, e.g. ``"A lab"``.

    Raises:
        ClusterError: this is not root.
    """
    if os.geteuid() != 0:
        raise ClusterError(
            f"{what} makes namespaces, mounts and control groups, which only root may.",
            instruction="Run the command as root, or use another provider: kind, k3d, minikube or microk8s.",
        )


def install_missing(
    commands: Commands, *, notify: Callable[[str], None], programs: Mapping[str, str] = PROGRAMS
) -> None:
    """Install what is missing from the distribution.

    Raises:
        ClusterError: this is no Debian or Ubuntu, or the installation failed.
    """
    missing = missing_packages(commands, programs)
    if not missing:
        return
    if commands.find("apt-get") is None:
        raise ClusterError(
            f"This machine lacks what these packages of Debian bring: {', '.join(missing)}.",
            instruction="Install them with this system's own means; `apt-get` is not here.",
        )
    notify(f"Installing from the distribution: {', '.join(missing)}.")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    lock = ["-o", "DPkg::Lock::Timeout=300"]  # somebody else may be installing
    for argv in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
    ):
        commands.run(
            [argv[0], *lock, *argv[1:]],
            environment=environment,
            seconds=INSTALL_SECONDS,
            instruction=f"Install by hand: apt-get install {' '.join(missing)}",
        )
    if still := missing_packages(commands, programs):
        raise ClusterError(
            f"After the installation these are still missing: {', '.join(still)}.",
            instruction="Check that they belong to this version of the distribution.",
        )
