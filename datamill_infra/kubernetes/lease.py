"""One writer per deployment at a time, wherever it runs: a lease in the deployment's namespace.

A holder renews it; whoever wants it watches. A lease that is not renewed for its whole duration, by the clock of the
one who watches, belongs to nobody: its holder was killed. Where that can be seen, on the holder's own machine, nobody
waits for it. Clocks of different machines are never compared, and a holder that is alive is never robbed.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from datamill_infra.kubernetes.errors import ClusterError, ConflictError
from datamill_infra.kubernetes.objects import MANAGED_BY_LABEL, Ref, annotations_of
from datamill_infra.kubernetes.processes import is_gone, this_process
from datamill_infra.model.errors import LockedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from datamill_infra.kubernetes.cluster import Cluster
    from datamill_infra.kubernetes.objects import Object

NAME = "datamill-writer"
API_VERSION = "coordination.k8s.io/v1"
PROCESS_ANNOTATION = "datamill.dev/process"
DURATION_SECONDS = 15
RENEW_SECONDS = 4.0
WATCH_SECONDS = 1.0


class WriterLease:
    """The lease of one deployment, as one writer sees it.

    Args:
        cluster: where.
        namespace: of the deployment; it exists when the lease is taken.
        holder: who asks, for the messages that others get.
        process: its process, for others on the same machine.
        sleep: between two looks at somebody else's lease.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        holder: str,
        *,
        process: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cluster, self.holder = cluster, holder
        self._process = this_process() if process is None else process
        self.ref = Ref(API_VERSION, "Lease", namespace, NAME)
        self._sleep, self._clock = sleep, clock
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._lost = ""
        self._renewing: threading.Thread | None = None

    @property
    def held(self) -> bool:
        """Whether we hold it."""
        return self._renewing is not None

    def acquire(self) -> None:
        """Hold the lease from now on; nothing happens when we do already.

        Raises:
            LockedError: somebody else holds it, and renews it.
            ClusterError: the API server does not let us.
        """
        with self._mutex:
            self.check()
            if self._renewing is not None:
                return
            while not self._take():
                pass
            self._ended.clear()
            self._renewing = threading.Thread(target=self._renew, name="writer-lease", daemon=True)
            self._renewing.start()

    def check(self) -> None:
        """Asked before each write.

        Raises:
            LockedError: we held the lease and lost it.
        """
        if self._lost:
            raise LockedError(
                f"The writer lease was lost: {self._lost}",
                instruction="Run the command again; it continues where this one stopped.",
            )

    def release(self) -> None:
        """Let others have it; nothing happens when we do not hold it."""
        with self._mutex:
            if self._renewing is None:
                return
            self._ended.set()
            self._renewing.join()
            self._renewing = None
            found = self.cluster.get(self.ref)
            if found is None or found["spec"].get("holderIdentity") != self.holder:
                return
            spec = {key: value for key, value in found["spec"].items() if key == "leaseTransitions"}
            self.cluster.replace({**found, "spec": spec})

    def other_holder(self) -> str | None:
        """Who else says that it holds the lease; whether it is alive is not known."""
        found = self.cluster.get(self.ref)
        holder = found["spec"].get("holderIdentity") if found else None
        return str(holder) if holder and holder != self.holder else None

    def _take(self) -> bool:
        """One attempt; ``False`` when somebody else was quicker, and the next should look again."""
        found = self.cluster.get(self.ref)
        try:
            if found is None:
                self.cluster.create(self._written(None))
                return True
            other = found["spec"].get("holderIdentity")
            if other and other != self.holder:
                self._outlive(found)
            self.cluster.replace(self._written(found))
        except ConflictError:
            return False
        return True

    def _outlive(self, seen: Object) -> None:
        """Return when a lease was not renewed for its whole duration, or its holder is seen to have ended."""
        process = annotations_of(seen).get(PROCESS_ANNOTATION, "")
        began = self._clock()
        duration = float(seen["spec"].get("leaseDurationSeconds", DURATION_SECONDS))
        while self._clock() - began < duration and not is_gone(process):
            self._sleep(WATCH_SECONDS)
            now = self.cluster.get(self.ref)
            if now is None or not now["spec"].get("holderIdentity"):
                return
            if now["metadata"]["resourceVersion"] != seen["metadata"]["resourceVersion"]:
                raise LockedError(
                    f"The deployment in namespace {self.ref.namespace} of {self.cluster.context} is being changed by"
                    f" {now['spec']['holderIdentity']}.",
                    instruction="Wait until it has finished, or stop it where it runs; then run the command again.",
                )

    def _written(self, found: Object | None) -> Object:
        before = found["spec"] if found else {}
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        same = before.get("holderIdentity") == self.holder
        spec = {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": DURATION_SECONDS,
            "acquireTime": before.get("acquireTime") if same else moment,
            "renewTime": moment,
            "leaseTransitions": before.get("leaseTransitions", 0) + (0 if same else 1),
        }
        annotations = {PROCESS_ANNOTATION: self._process}
        if found:
            metadata = {**found["metadata"], "annotations": {**annotations_of(found), **annotations}}
            return {**found, "metadata": metadata, "spec": spec}
        labels = {MANAGED_BY_LABEL: "datamill"}
        metadata = {"name": NAME, "namespace": self.ref.namespace, "labels": labels, "annotations": annotations}
        return {"apiVersion": API_VERSION, "kind": "Lease", "metadata": metadata, "spec": spec}

    def _renew(self) -> None:
        last = self._clock()
        while not self._ended.wait(RENEW_SECONDS):
            try:
                found = self.cluster.get(self.ref)
                if found is None or found["spec"].get("holderIdentity") != self.holder:
                    self._lost = "somebody else took it or removed it."
                    return
                self.cluster.replace(self._written(found))
                last = self._clock()
            except ClusterError as error:
                if self._clock() - last > DURATION_SECONDS:
                    self._lost = error.reason
                    return
