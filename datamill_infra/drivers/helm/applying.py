"""Making one release what it should be."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from datamill_infra.drivers.health import CancelledError
from datamill_infra.drivers.helm import awaiting
from datamill_infra.drivers.helm.records import COMPONENT_LABEL, DEPLOYED, DIGEST_LABEL, GOOD_LABEL, revisions, short
from datamill_infra.kubernetes import definitions
from datamill_infra.kubernetes.objects import Ref
from datamill_infra.kubernetes.ownership import added_fields, removal
from datamill_infra.kubernetes.pods import explain, given_up, pods_of, trouble
from datamill_infra.kubernetes.readiness import stuck, unready
from datamill_infra.model.errors import PlatformError, UnhealthyError
from datamill_infra.model.units import RolloutReady

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datamill_infra.drivers.driver import Notify
    from datamill_infra.drivers.helm.door import Helm
    from datamill_infra.drivers.helm.records import Record
    from datamill_infra.drivers.helm.sighting import Sighting
    from datamill_infra.drivers.helm.units import RenderedUnit, UnitRenderer
    from datamill_infra.kubernetes.cluster import Cluster
    from datamill_infra.kubernetes.objects import Object
    from datamill_infra.model.units import Readiness

POLL_SECONDS = 0.5
DEFINED_SECONDS = 60.0
NOTICE_SECONDS = 1.0
REMOVALS = 50
"""An object with more added fields than this is being changed while we look."""


class Applier:
    """Applies and removes releases; whoever calls it holds the writer lease.

    Args:
        cluster: where.
        helm: the door.
        renderer: of the deployment.
        check: called before each write; raises when the lease was lost.
        sleep: between two looks.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        helm: Helm,
        renderer: UnitRenderer,
        check: Callable[[], None],
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cluster, self.helm, self.renderer, self._check = cluster, helm, renderer, check
        self._sleep, self._clock = sleep, clock

    def apply(self, seen: Sighting, digest: str, notify: Notify, upgrading: Callable[[], None] = lambda: None) -> None:
        """Bring a release to what was rendered, as far as the API server is concerned.

        Args:
            seen: what is there.
            digest: of the component's desired state, for Helm's record.
            notify: hears what is done.
            upgrading: called before Helm makes a new revision.

        Raises:
            HelmError: Helm or the API server refused.
            ClusterError: the API server refused.
            LockedError: the lease was lost.
        """
        unit = seen.unit
        lost = [pod for pod in pods_of(self.cluster, unit.namespace, unit.release) if given_up(pod)]
        self._define(seen, notify, every=self._outdated(seen, digest))
        if seen.record and seen.record.pending:
            self._forget(seen.record, notify)
        if self._outdated(seen, digest):
            self._check()
            notify("applying", unit.release)
            # Helm takes over the labels of the revision before, so this one says itself that it is not good yet.
            labels = {COMPONENT_LABEL: unit.component, DIGEST_LABEL: short(digest), GOOD_LABEL: "false"}
            with self.renderer.staged(unit) as (chart, values):
                upgrading()
                self.helm.upgrade(self.cluster.context, unit.release, unit.namespace, chart, values, labels)
        for ref in seen.extra:
            self._check()
            notify("removing", str(ref))
            self.cluster.delete(ref)
        for ref in dict.fromkeys([*seen.differing, *seen.added]):
            self._take_back(ref, notify)
        # What they lacked may be there by now, and nobody looks again for up to five minutes.
        self._replace(lost, "which could not start", notify)

    def _define(self, seen: Sighting, notify: Notify, *, every: bool) -> None:
        """Apply definitions before anything of their kinds is, and wait until they are served.

        Args:
            seen: what is there.
            notify: hears what is done.
            every: also those in which nothing that was rendered differs: something may have gone from them.
        """
        once = getattr(seen.unit.unit, "crds", "") == "install"
        changed = [
            item
            for item in seen.unit.definitions
            if (ref := Ref.of(item)) in seen.missing or ref in seen.differing or (every and not once)
        ]
        for item in changed:
            self._check()
            notify("defining", str(item["metadata"]["name"]))
            self.cluster.apply(item)
        deadline = self._clock() + DEFINED_SECONDS
        while waiting := [str(item["metadata"]["name"]) for item in changed if not self._served(item)]:
            if self._clock() > deadline:
                raise PlatformError(
                    f"The API server does not serve {', '.join(waiting)} after {DEFINED_SECONDS:.0f} s.",
                    instruction="Look at its conditions: `kubectl describe crd`.",
                )
            self._sleep(POLL_SECONDS)

    def _served(self, item: Object) -> bool:
        found = self.cluster.get(Ref.of(item))
        return found is not None and definitions.established(found)

    def ready(self, unit: RenderedUnit, notify: Notify, cancelled: Callable[[], bool]) -> None:
        """Wait until everything holds that makes the next unit possible.

        Raises:
            UnhealthyError: it does not within its budget, or cannot.
            CancelledError: ``cancelled`` said yes.
        """
        for wanted in unit.unit.ready:
            if isinstance(wanted, RolloutReady):
                self._rolled_out(unit, wanted, notify, cancelled)
            else:
                self._awaited(unit, wanted, notify, cancelled)

    def go_back(self, unit: RenderedUnit, good: Record, notify: Notify) -> None:
        """Apply an earlier revision of a release again, and wait until it is ready.

        Raises:
            HelmError: Helm or the API server refused.
            ClusterError: the API server refused.
            LockedError: the lease was lost.
            UnhealthyError: it does not become ready, either.
        """
        latest = revisions(self.cluster, unit.namespace, unit.release)[-1]
        if latest.pending:
            self._forget(latest, notify)
        self._check()
        notify("going back", f"{unit.release} to revision {good.revision}")
        self.helm.rollback(self.cluster.context, unit.release, unit.namespace, good.revision)
        self.ready(unit, notify, lambda: False)

    def remove(self, release: str, namespace: str, notify: Notify) -> None:
        """Uninstall a release and wait until its pods are gone.

        Raises:
            PlatformError: they are not, within a minute.
        """
        self._check()
        notify("stopping", release)
        self.helm.uninstall(self.cluster.context, release, namespace)
        deadline = self._clock() + 90
        while pods := pods_of(self.cluster, namespace, release):
            if self._clock() > deadline:
                raise PlatformError(
                    f"The pods of {release} are still there after 90 s:"
                    f" {', '.join(str(pod['metadata']['name']) for pod in pods)}.",
                    instruction="Look at them (`datamill logs`), then run the command again.",
                )
            self._sleep(POLL_SECONDS)

    def _outdated(self, seen: Sighting, digest: str) -> bool:
        record = seen.record
        if record is None or record.status != DEPLOYED or record.digest != short(digest):
            return True
        defined = {Ref.of(item) for item in seen.unit.definitions}
        return bool({*seen.missing, *seen.differing} - defined)

    def _forget(self, record: Record, notify: Notify) -> None:
        """Drop the record of a revision that was never finished: the one before it is the latest again."""
        self._check()
        notify("recovering", f"{record.release} was left {record.status}")
        self.cluster.delete(record.secret)

    def _take_back(self, ref: Ref, notify: Notify) -> None:
        """Remove the fields that others added, one by one, because each removal moves the others."""
        for _ in range(REMOVALS):
            found = self.cluster.get(ref)
            added = added_fields(found) if found else []
            if not added:
                return
            self._check()
            notify("removing", f"{added[0].path} of {ref}")
            self.cluster.patch(ref, [removal(added[0])])
        raise PlatformError(
            f"{ref} gets new fields as fast as they are removed.",
            instruction="Find out who writes them: `kubectl get --show-managed-fields`.",
        )

    def _replace(self, pods: Sequence[Object], why: str, notify: Notify) -> None:
        """Delete pods that would stay as they are; their controller makes them anew."""
        for ref in map(Ref.of, pods):
            self._check()
            notify("replacing", f"{ref}, {why}")
            self.cluster.delete(ref)

    def _awaited(self, unit: RenderedUnit, wanted: Readiness, notify: Notify, cancelled: Callable[[], bool]) -> None:
        began, subject = self._clock(), awaiting.subject(wanted)
        while reason := awaiting.lacking(self.cluster, unit, wanted):
            if cancelled():
                raise CancelledError(
                    f"Interrupted while waiting for {subject}.", instruction="`datamill up` continues."
                )
            notify("awaiting", f"{subject}: {reason}")
            if self._clock() - began > wanted.seconds:
                detail = explain(self.cluster, unit.namespace, unit.release)
                raise UnhealthyError(
                    f"{subject} did not become ready within its budget of {wanted.seconds} s: {reason}."
                    + (f"\n{detail}" if detail else ""),
                    instruction="Repair the cause; then run `datamill up` again.",
                )
            self._sleep(POLL_SECONDS)

    def _rolled_out(
        self, unit: RenderedUnit, wanted: RolloutReady, notify: Notify, cancelled: Callable[[], bool]
    ) -> None:
        ref = awaiting.rollout_ref(unit, wanted)
        began = next_notice = self._clock()
        while True:
            found = self.cluster.get(ref)
            reason = "it is not there" if found is None else unready(found)
            if reason is None:
                return
            if cancelled():
                raise CancelledError(f"Interrupted while waiting for {ref}.", instruction="`datamill up` continues.")
            pods = pods_of(self.cluster, unit.namespace, unit.release)
            if found and (left := [pod for pod in pods if stuck(found, pod)]):
                self._replace(left, "which is of an older revision and does not run", notify)
                continue
            causes = [cause for pod in pods if (cause := trouble(pod))]
            if self._clock() >= next_notice:
                notify("rolling out", "; ".join([f"{ref}: {reason}", *map(str, causes)]))
                next_notice = self._clock() + NOTICE_SECONDS
            final = next((cause for cause in causes if cause.final), None)
            if final or self._clock() - began > wanted.seconds:
                end = str(final) if final else f"its budget of {wanted.seconds} s was used up"
                detail = explain(self.cluster, unit.namespace, unit.release)
                raise UnhealthyError(
                    f"{ref} did not become ready: {end}; {reason}." + (f"\n{detail}" if detail else ""),
                    instruction=f"Repair the cause; then run `datamill up` again."
                    f" `datamill logs {unit.component}` shows more.",
                )
            self._sleep(POLL_SECONDS)
