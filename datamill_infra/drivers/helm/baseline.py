"""What was on a cluster before a deployment: names, written down on this machine before the first object is made."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from datamill_infra.drivers.files import write_private
from datamill_infra.drivers.helm.records import latest_records
from datamill_infra.drivers.releases import now
from datamill_infra.kubernetes.inventory import take_inventory

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from datamill_infra.kubernetes.cluster import Cluster
    from datamill_infra.kubernetes.objects import Ref

    Name = tuple[str, str, str, str]
    """Group, kind, namespace and name: an object is the same in every version."""


def name_of(ref: Ref) -> Name:
    """An object's name in all its versions."""
    return ref.api_version.rpartition("/")[0], ref.kind, ref.namespace, ref.name


class Baseline:
    """What was on the cluster before a deployment.

    Args:
        file: ``state/before.json``; names only.
        cluster: where.
        namespaces: of the deployment.
    """

    def __init__(self, file: Path, cluster: Cluster, namespaces: Callable[[], Collection[str]]) -> None:
        self.file, self.cluster, self._namespaces = file, cluster, namespaces
        self._mutex = threading.Lock()

    def record(self, system: str) -> None:
        """Write down what is there, unless it was written down before, or the deployment has begun already.

        Args:
            system: the namespace that has the deployment's releases.

        Raises:
            StateError: it cannot be written.
        """
        with self._mutex:
            if self.file.exists() or latest_records(self.cluster, system):
                return
            found = take_inventory(self.cluster, self._namespaces())
            names = sorted(name_of(ref) for ref in found.objects)
            write_private(self.file, json.dumps({"format": 1, "at": now(), "objects": names}))

    def read(self) -> tuple[str, frozenset[Name]] | None:
        """When it was written down, and the names; ``None`` when it was not."""
        if not self.file.exists():
            return None
        written = json.loads(self.file.read_text(encoding="utf-8"))
        return written["at"], frozenset((one[0], one[1], one[2], one[3]) for one in written["objects"])
