"""What labs exist on this machine: a directory each, with a slot that no other has."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from filelock import FileLock

from datamill_infra.clusters.commands import ClusterError
from datamill_infra.clusters.lab.layout import Lab
from datamill_infra.clusters.lab.network import free_slot, used_networks
from datamill_infra.drivers.files import write_private
from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from datamill_infra.clusters.commands import Commands

# The node mounts its own directories over these, which would hide a lab that lies in one of them.
HIDDEN = ("/run", "/var/run", "/var/log", "/var/lib/kubelet", "/var/lib/cni", "/proc")


def labs_directory() -> Path:
    """Where labs are: ``DATAMILL_LABS``, or the platform's directory for state.

    Raises:
        ConfigurationError: it is where a node puts its own directories.
    """
    chosen = os.environ.get("DATAMILL_LABS")
    directory = Path(chosen).expanduser().absolute() if chosen else platformdirs.user_state_path("datamill") / "labs"
    if any(directory.is_relative_to(hidden) for hidden in HIDDEN):
        raise ConfigurationError(
            f"Labs cannot lie in {directory}: the node would hide them from itself.",
            instruction=f"Set DATAMILL_LABS to a directory outside of {', '.join(HIDDEN)}.",
        )
    return directory


class LabRecords:
    """The labs of a directory.

    Args:
        commands: the door to programs.
        root: the directory; by default :func:`labs_directory`.
    """

    def __init__(self, commands: Commands, root: Path | None = None) -> None:
        self._commands = commands
        self.root = root or labs_directory()

    def names(self) -> list[str]:
        """The labs that exist, sorted."""
        return sorted(file.parent.name for file in self.root.glob("*/lab.json"))

    def find(self, name: str) -> Lab | None:
        """A lab that exists, or ``None``."""
        file = self.root / name / "lab.json"
        try:
            return Lab(name, int(json.loads(file.read_text(encoding="utf-8"))["slot"]), file.parent)
        except FileNotFoundError:
            return None

    def claim(self, name: str) -> Lab:
        """The lab of this name, with a slot of its own if it is new.

        Raises:
            ClusterError: all slots are taken.
        """
        with self.lock():
            if found := self.find(name):
                return found
            taken = {lab.slot for other in self.names() if (lab := self.find(other))}
            directory = self.root / name
            slot = free_slot(taken, used_networks(self._commands), Lab(name, 0, directory))
            if slot is None:
                raise ClusterError(
                    f"All address ranges for labs are in use: by the labs {', '.join(self.names()) or '(none)'},"
                    " or by other routes of this machine.",
                    instruction="Delete a lab (`datamill cluster delete NAME --provider lab`), or see `ip route`.",
                )
            directory.mkdir(mode=0o700, exist_ok=True)
            write_private(directory / "lab.json", json.dumps({"slot": slot}))
            return Lab(name, slot, directory)

    def lock(self) -> FileLock:
        """Held while labs come into being or go."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileLock(self.root / "lock")
