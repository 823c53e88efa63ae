"""What a lab could leave behind on a machine: everything of the kernel's that has no owner but root."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from datamill_infra.clusters.commands import RealCommands

PLACES = (Path("/var/lib/kubelet"), Path("/var/lib/cni"), Path("/run/containerd"), Path("/var/log/containers"))
SETTINGS = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward")


def inventory() -> dict[str, set[str]]:
    """Kind to its members, each in words."""
    return {
        "processes in namespaces": _processes(),
        "mounts": {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()},
        "network namespaces": {entry.name for entry in Path("/run/netns").glob("*")},
        "links": {link["ifname"] for link in _ip("link")},
        "routes": {f"{route['dst']} {route.get('dev')}" for route in _ip("route")},
        "rules": _rules(),
        "control groups": {
            folder for folder, _, _ in os.walk("/sys/fs/cgroup") if "datamill" in folder or "kubepods" in folder
        },
        "files": {str(file) for place in PLACES if place.exists() for file in (place, *place.rglob("*"))},
        "settings": {f"{name}={Path('/proc/sys', name).read_text().strip()}" for name in SETTINGS},
    }


def difference(before: dict[str, set[str]], after: dict[str, set[str]], *, others: set[str]) -> dict[str, list[str]]:
    """What is there now and was not, or was there and is not.

    Args:
        before: an inventory.
        after: a later one.
        others: words that mark what belongs to another lab of the machine, which may change meanwhile.
    """
    found = {
        kind: sorted(
            f"{'+' if entry in after[kind] else '-'} {entry}"
            for entry in before[kind] ^ after[kind]
            # Whole words: the name of one lab may be the beginning of another's.
            if not any(re.search(rf"(?<![\w.-]){re.escape(other)}(?![\w.-])", entry) for other in others)
        )
        for kind in before
    }
    return {kind: entries for kind, entries in found.items() if entries}


def _processes() -> set[str]:
    """Processes that are not in this machine's own process namespace, with their namespace."""
    here = str(Path("/proc/self/ns/pid").readlink())
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            namespace = str((entry / "ns" / "pid").readlink())
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            # Pods have process namespaces of their own; their control group says whose they are.
            groups = {line.rpartition(":")[2] for line in (entry / "cgroup").read_text().splitlines()} - {"/"}
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        except PermissionError:
            continue  # it has rights that we lack, so it is none that we started
        if namespace != here or "node.py" in command:
            found.add(f"{entry.name} {namespace} {command} {' '.join(sorted(groups))}")
    return found


def _ip(what: str) -> list[dict[str, str]]:
    return json.loads(_said("ip", "-json", what) or "[]")


def _rules() -> set[str]:
    return {line for line in _said("iptables-save").splitlines() if line.startswith(("-A", ":"))}


def _said(program: str, *arguments: str) -> str:
    found = RealCommands().find(program)
    assert found is not None, program
    return subprocess.run([found, *arguments], capture_output=True, text=True, check=True).stdout
