"""Control groups: the pods of each lab are below one of its own, in every hierarchy of the machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datamill_infra.clusters.lab.layout import Lab

ROOT = Path("/sys/fs/cgroup")
# What the kubelet sets limits with, where the machine has one hierarchy for all (version 2).
UNIFIED_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


def hierarchies(root: Path = ROOT) -> list[Path]:
    """The top of each hierarchy: one with version 2, one per controller with version 1."""
    if (root / "cgroup.controllers").exists():
        return [root]
    return sorted({entry.resolve() for entry in root.iterdir() if (entry / "cgroup.procs").exists()})


def make_group(lab: Lab, root: Path = ROOT) -> None:
    """Make the lab's group; with version 1 in every hierarchy, with version 2 with the controllers it needs."""
    for top in hierarchies(root):
        group = top / lab.context
        group.mkdir(exist_ok=True)
        offered = top / "cgroup.controllers"
        if top == root and offered.exists():
            controllers = [c for c in UNIFIED_CONTROLLERS if c in offered.read_text(encoding="ascii").split()]
            for folder in (top, group):
                folder.joinpath("cgroup.subtree_control").write_text(
                    " ".join(f"+{controller}" for controller in controllers), encoding="ascii"
                )
        if (group / "cpuset.cpus").exists() and top != root:
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (group / setting).write_text((top / setting).read_text(encoding="ascii"), encoding="ascii")


def groups_of(lab: Lab, root: Path = ROOT) -> Iterable[Path]:
    """The lab's groups that exist, children before parents."""
    for top in hierarchies(root):
        group = top / lab.context
        if group.exists():
            yield from sorted((p for p in group.rglob("*") if p.is_dir()), key=lambda p: -len(p.parts))
            yield group


def remove_groups(lab: Lab, root: Path = ROOT) -> None:
    """Remove them; no process is in them any more."""
    for group in list(groups_of(lab, root)):
        group.rmdir()
