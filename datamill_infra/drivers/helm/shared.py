"""Applying and removing what all deployments of a cluster share, with their definitions.

Whoever changes a shared unit holds the lease of its namespace too, so that two deployments never do at once.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from datamill_infra.drivers.helm.records import COMPONENT_LABEL
from datamill_infra.drivers.helm.singletons import Claims, singletons, version_of, wanted_digest
from datamill_infra.kubernetes import definitions
from datamill_infra.kubernetes.lease import WriterLease
from datamill_infra.kubernetes.objects import MANAGED_BY_LABEL, Ref, labels_of
from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from datamill_infra.drivers.driver import Notify
    from datamill_infra.drivers.helm.applying import Applier
    from datamill_infra.drivers.helm.sighting import Sighting
    from datamill_infra.drivers.helm.singletons import Singleton
    from datamill_infra.drivers.helm.units import RenderedUnit

FLAG = "--allow-crd-losses"
VERSION_LABELS = ("helm.sh/chart", "app.kubernetes.io/version")


class SharedUnits:
    """The shared units of one deployment.

    Args:
        applier: writes.
        deployment: its namespace.
        holder: of leases, for the messages that others get.
        lossy: whether a definition may be changed so that something is lost.
    """

    def __init__(self, applier: Applier, deployment: str, holder: str, *, lossy: bool = False) -> None:
        self.applier, self.cluster = applier, applier.cluster
        self.claims = Claims(self.cluster, deployment)
        self.deployment, self.holder, self.lossy = deployment, holder, lossy
        self._leases: dict[str, WriterLease] = {}

    def claimed(self, unit: RenderedUnit) -> bool:
        """Whether we claim a unit in any form."""
        record = self.claims.of(unit)
        return record is not None and self.deployment in record.claims

    def adopted(self, unit: RenderedUnit) -> bool:
        """Whether a unit was there before anybody here claimed it."""
        record = self.claims.of(unit)
        return record is not None and record.adopted

    def unclaimed(self, unit: RenderedUnit) -> list[str]:
        """A sentence when we do not claim a unit as it is wanted."""
        return [] if self.claims.mine(unit) else [f"{unit.release} is not claimed yet as this deployment wants it."]

    def obstacles(self, units: Iterable[RenderedUnit]) -> list[str]:
        """What keeps shared units from becoming what is wanted, a sentence each."""
        return [told for unit in units if unit.shared for told in self._obstacles(unit)]

    def hold(self, unit: RenderedUnit) -> None:
        """Take the lease of a shared unit's namespace, which exists.

        Raises:
            LockedError: another deployment is at work on it.
        """
        self._hold(unit.namespace)

    def apply(self, seen: Sighting, notify: Notify, upgrading: Callable[[], None]) -> None:
        """Make a shared unit what is wanted, or take it as it is, and claim it.

        Raises:
            ConfigurationError: others claim it in another form, or something would be lost.
        """
        unit = seen.unit
        for told in self._obstacles(unit):
            raise ConfigurationError(told, instruction=self._way_out(unit))
        if seen.exists and not seen.managed:
            self._refuse_other_version(seen)
            notify("adopting", unit.release)
            self.claims.make(unit, adopted=True)
            return
        if not self.adopted(unit):
            self.applier.apply(seen, wanted_digest(unit), notify, upgrading)
        self.claims.make(unit)

    def remove(self, component: str, *, delete_data: bool, notify: Notify) -> tuple[list[str], list[str]]:
        """Take our claims of a component's units back, and remove those that nobody else claims.

        Returns:
            What stays, a clause each; and the namespaces in which something was removed.
        """
        told, emptied = [], []
        for record in singletons(self.cluster):
            if record.component != component or self.deployment not in record.claims:
                continue
            notify("locking", record.namespace)
            self._hold(record.namespace)
            if others := self.claims.withdraw(record):
                told.append(f"{record.release} stays, because the deployment in namespace {_and(others)} claims it")
                notify("keeping", told[-1])
                continue
            if record.adopted:
                told.append(f"{record.release} stays, because it was there before")
            else:
                told += self._uninstall(record, delete_data=delete_data, notify=notify)
            self.cluster.delete(record.ref)
            emptied.append(record.namespace)
        return told, emptied

    def release(self, *, gone: Iterable[str] = ()) -> None:
        """Let others have the leases.

        Args:
            gone: namespaces whose leases are deleted.
        """
        for namespace, lease in list(self._leases.items()):
            lease.release()
            if namespace in gone:
                self.cluster.delete(lease.ref)
                del self._leases[namespace]

    def _uninstall(self, record: Singleton, *, delete_data: bool, notify: Notify) -> Iterator[str]:
        self.applier.remove(record.release, record.namespace, notify)
        ours = f"{COMPONENT_LABEL}={record.component},{MANAGED_BY_LABEL}=datamill"
        for found in self.cluster.find(definitions.API_VERSION, definitions.KIND, labels=ours):
            name = found["metadata"]["name"]
            if not delete_data:
                yield f"the definition {name} stays"
            elif left := definitions.resources(self.cluster, found):
                yield f"the definition {name} stays, because there are {len(left)} objects of its kind"
            else:
                notify("deleting", name)
                self.cluster.delete(Ref.of(found))

    def _hold(self, namespace: str) -> None:
        self._leases.setdefault(namespace, WriterLease(self.cluster, namespace, self.holder)).acquire()

    def _obstacles(self, unit: RenderedUnit) -> Iterator[str]:
        if told := self.claims.conflict(unit):
            yield told
        for item in () if self.lossy or self.adopted(unit) or _once(unit) else unit.definitions:
            found = self.cluster.get(Ref.of(item))
            lost = definitions.losses(found, item) if found else []
            if lost:
                name = item["metadata"]["name"]
                yield f"{unit.component}: by the change of the definition {name}, {'; '.join(lost)}."

    def _way_out(self, unit: RenderedUnit) -> str:
        if self.claims.conflict(unit):
            return (
                f"Choose what the other one claims, or take {unit.component} down there"
                f" (`datamill down -c {unit.component}`) until this one has changed it."
            )
        return f"Move the objects of that kind to what stays; then `datamill up {FLAG}` does it nevertheless."

    def _refuse_other_version(self, seen: Sighting) -> None:
        """Something that nobody here made is taken as it is, unless it says that it is another version."""
        unit = seen.unit
        for ref, item in unit.by_ref.items():
            found = self.cluster.get(ref)
            if found is None and not definitions.is_definition(item):
                raise ConfigurationError(
                    f"{unit.component}: in namespace {unit.namespace} there is a part of {unit.release} that this"
                    f" program did not make, and {ref} is missing.",
                    instruction="Complete it, or remove it and let this program make it.",
                )
            for label in VERSION_LABELS if found else ():
                wanted, there = labels_of(item).get(label), labels_of(found or {}).get(label)
                if wanted and there and wanted != there:
                    raise ConfigurationError(
                        f"{unit.component}: {ref} in namespace {unit.namespace} is of {there}, which this program did"
                        f" not make, and this deployment wants {wanted} ({version_of(unit)}).",
                        instruction="Bring it to that version by whoever made it, or choose its version here.",
                    )


def holder() -> str:
    """Who this process is, for those who wait for a lease that it holds."""
    return f"datamill on {socket.gethostname()} (process {os.getpid()})"


def _once(unit: RenderedUnit) -> bool:
    return getattr(unit.unit, "crds", "") == "install"


def _and(names: list[str]) -> str:
    return " and ".join(names)
