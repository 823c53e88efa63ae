"""Going back after a failed upgrade: which revision was good, and which units may return to it.

A stateless unit runs on its last good revision again before the failure is told. A stateful one may have written data
that the older version does not read, so it stays as it is, and a person decides.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from datamill_infra.drivers.health import CancelledError
from datamill_infra.drivers.helm.records import latest_records, mark_good, revisions
from datamill_infra.model.errors import DatamillError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_infra.drivers.driver import Notify
    from datamill_infra.drivers.helm.applying import Applier
    from datamill_infra.drivers.helm.records import Record
    from datamill_infra.drivers.helm.sighting import Sighting
    from datamill_infra.drivers.helm.units import RenderedUnit
    from datamill_infra.kubernetes.cluster import Cluster


class Returns:
    """What this process upgraded, and what it can go back to.

    Args:
        cluster: where.
        applier: writes under the lease.
    """

    def __init__(self, cluster: Cluster, applier: Applier) -> None:
        self.cluster, self.applier = cluster, applier
        self._upgraded: dict[str, list[Sighting]] = {}
        self._mutex = threading.Lock()

    def upgrading(self, seen: Sighting) -> None:
        """A new revision of a release is about to be made."""
        with self._mutex:
            self._upgraded.setdefault(seen.unit.component, []).append(seen)

    def changed(self, component: str) -> bool:
        """Whether a revision of a component was made here."""
        return bool(self._upgraded.get(component))

    def healthy(self, unit: RenderedUnit) -> None:
        """The component of a unit is healthy: its revision is good."""
        with self._mutex:
            self._upgraded.pop(unit.component, None)
        record = latest_records(self.cluster, unit.namespace, {"name": unit.release}).get(unit.release)
        if record is not None:
            mark_good(self.cluster, record)

    def after_failure(self, component: str, notify: Notify) -> Iterator[str]:
        """Go back with every unit of a component for which that is safe.

        Yields:
            What was done, or why nothing was; a sentence per unit that was upgraded.
        """
        with self._mutex:
            upgraded = self._upgraded.pop(component, [])
        for seen in upgraded:
            unit = seen.unit
            kept = revisions(self.cluster, unit.namespace, unit.release)
            before = seen.record
            if before is None or not kept or kept[-1].revision == before.revision:
                continue  # the first installation, or Helm refused before it wrote anything
            latest, good = kept[-1], _last_good(kept)
            if good is not None and good.digest == latest.digest:
                continue  # nothing but drift was to be repaired
            if good is None:
                yield (
                    f"{unit.release} stays at revision {latest.revision}: no earlier one is known to have been healthy."
                )
            elif unit.unit.stateful:
                yield (
                    f"{unit.release} keeps data, so it stays at revision {latest.revision};"
                    f" the last good one is {good.revision}."
                )
            else:
                yield self._go_back(unit, good, notify)

    def _go_back(self, unit: RenderedUnit, good: Record, notify: Notify) -> str:
        try:
            self.applier.go_back(unit, good, notify)
        except CancelledError:
            raise
        except DatamillError as error:
            return f"{unit.release} was to go back to revision {good.revision}, and did not: {error.reason}"
        return f"{unit.release} went back to revision {good.revision}, its last good one, and is ready."


def _last_good(kept: list[Record]) -> Record | None:
    """The latest revision that was healthy, other than the one that has just been made."""
    return next((record for record in reversed(kept[:-1]) if record.good), None)
