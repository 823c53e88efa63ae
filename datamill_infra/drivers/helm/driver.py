"""Components as releases on a Kubernetes cluster: the driver of every target but ``embedded``.

What is wanted is what the charts render; what is there is read from the API server. Nothing is written before the two
were found to differ, then the deployment's lease is taken and they are compared again. Which state a component is in
can be seen from any machine: Helm's records carry the component and the digest they were made for.
"""

from __future__ import annotations

import contextlib
import functools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from datamill_infra.drivers.driver import Driver, Report, unheard
from datamill_infra.drivers.health import probe_all, wait_healthy
from datamill_infra.drivers.helm.applying import Applier
from datamill_infra.drivers.helm.awaiting import refuse_unready
from datamill_infra.drivers.helm.baseline import Baseline
from datamill_infra.drivers.helm.binary import HelmBinary
from datamill_infra.drivers.helm.cleanliness import ClusterProof, namespaces_of, traces_of
from datamill_infra.drivers.helm.credentials import Credentials
from datamill_infra.drivers.helm.exposing import open_ports, service_ports
from datamill_infra.drivers.helm.namespaces import GONE_SECONDS, ensure_namespace, leave_namespace, wait_for
from datamill_infra.drivers.helm.observing import Observer
from datamill_infra.drivers.helm.processes import process
from datamill_infra.drivers.helm.prospects import missing_rights, missing_room
from datamill_infra.drivers.helm.publication import Publication
from datamill_infra.drivers.helm.records import COMPONENT_LABEL, latest_records
from datamill_infra.drivers.helm.returns import Returns
from datamill_infra.drivers.helm.rights import outside_only
from datamill_infra.drivers.helm.shared import SharedUnits, holder
from datamill_infra.drivers.helm.sighting import KINDS, WORKERS, consequential
from datamill_infra.drivers.helm.units import UnitRenderer
from datamill_infra.drivers.releases import UNFINISHED, Release, now
from datamill_infra.drivers.secrets import SecretStore
from datamill_infra.kubernetes.comparison import fields
from datamill_infra.kubernetes.evidence import Place, findings
from datamill_infra.kubernetes.following import follow
from datamill_infra.kubernetes.forwarding import ADDRESS, Forwards, split_address
from datamill_infra.kubernetes.lease import WriterLease
from datamill_infra.kubernetes.objects import INSTANCE_LABEL, Ref
from datamill_infra.kubernetes.pods import explain, given_up, is_ready, log_lines, pods_of, started_at
from datamill_infra.kubernetes.survey import Survey
from datamill_infra.model.causes import CauseKind, Finding, causes_first
from datamill_infra.model.desired import digest
from datamill_infra.model.errors import ConfigurationError, UnhealthyError
from datamill_infra.model.states import Desired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from datamill_infra.capabilities import Observation
    from datamill_infra.drivers.driver import Forwarded, Notify
    from datamill_infra.drivers.helm.door import Helm
    from datamill_infra.drivers.helm.sighting import Sighting
    from datamill_infra.drivers.helm.units import RenderedUnit
    from datamill_infra.drivers.releases import Releases
    from datamill_infra.kubernetes.cluster import Cluster
    from datamill_infra.kubernetes.objects import Object
    from datamill_infra.model.connections import Connection
    from datamill_infra.model.deployment import Deployment
    from datamill_infra.model.leftovers import Proof
    from datamill_infra.model.states import Observed

VOLUMES = ("v1", "PersistentVolumeClaim")


class HelmDriver(Driver):
    """Releases on one cluster.

    Args:
        deployment: whose components.
        releases: what was applied from this machine.
        cluster: the door to the API server; by default that of the deployment's context.
        helm: the door to Helm.
        charts: folder of our own charts.
        lossy: whether definitions of kinds may be changed so that something is lost.
    """

    def __init__(
        self,
        deployment: Deployment,
        releases: Releases,
        *,
        cluster: Cluster | None = None,
        helm: Helm | None = None,
        charts: Path | None = None,
        lossy: bool = False,
    ) -> None:
        self.deployment = deployment
        self.releases = releases
        self.namespace = deployment.definition.file.namespaces.system
        self.helm = helm or HelmBinary()
        self.renderer = UnitRenderer(deployment, self.helm, charts)
        self.secret_store = SecretStore(deployment.secrets_file)
        self._given, self._lossy = cluster, lossy
        self._desired: dict[str, Desired] = {}

    @functools.cached_property
    def cluster(self) -> Cluster:
        """The API server; asked for when it is needed first, because its client takes a moment to load.

        Raises:
            ConfigurationError: the kubeconfig has no such context.
        """
        if self._given is not None:
            return self._given
        from datamill_infra.kubernetes.api import ApiServer  # noqa: PLC0415  (see above)

        return ApiServer(str(self.deployment.context))

    @property
    def inside(self) -> bool:
        """See :attr:`Driver.inside`."""
        return self.cluster.inside

    @functools.cached_property
    def lease(self) -> WriterLease:
        """The deployment's, as this process sees it."""
        return WriterLease(self.cluster, self.namespace, holder())

    @functools.cached_property
    def credentials(self) -> Credentials:
        """The deployment's Secrets."""
        return Credentials(self.deployment, self.cluster)

    @functools.cached_property
    def publication(self) -> Publication:
        """What those who run in the cluster know of the deployment."""
        return Publication(self.deployment, self.cluster)

    @functools.cached_property
    def applier(self) -> Applier:
        """Writes under the lease."""
        return Applier(self.cluster, self.helm, self.renderer, self.lease.check)

    @functools.cached_property
    def shared(self) -> SharedUnits:
        """What other deployments of the cluster have too."""
        return SharedUnits(self.applier, self.namespace, holder(), lossy=self._lossy)

    @functools.cached_property
    def baseline(self) -> Baseline:
        """What was there before."""
        file = self.deployment.state_file("before")
        return Baseline(file, self.cluster, lambda: namespaces_of(self.deployment, self.renderer))

    @functools.cached_property
    def observer(self) -> Observer:
        """Who looks at what is there."""
        return Observer(
            self.deployment,
            self.releases,
            self.renderer,
            self.credentials,
            self.publication,
            self.shared,
            desired=self.desired,
            secrets=self._secrets,
        )

    @functools.cached_property
    def returns(self) -> Returns:
        """What can be gone back to."""
        return Returns(self.cluster, self.applier)

    def desired(self, component: str) -> Desired:
        """See :meth:`Driver.desired`. Facts are the fields of every rendered object, which is rendered once."""
        if component not in self._desired:
            units = self.renderer.units(component)
            objects = {unit.told(ref): fields(item) for unit in units for ref, item in unit.by_ref.items()}
            facts: dict[str, object] = {"objects": objects}
            variant = self.deployment.resolution.members[component].variant
            self._desired[component] = Desired(component, "helm", variant, facts, digest(facts))
        return self._desired[component]

    def observe(self, component: str) -> Observed:
        """See :meth:`Driver.observe`."""
        return self.observer.observe(component, self.cluster)

    def observe_all(self, components: Sequence[str]) -> dict[str, Observed]:
        """See :meth:`Driver.observe_all`: the namespace is listed once."""
        survey = Survey(self.cluster, self.namespace, KINDS)
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="observe") as pool:
            found = pool.map(lambda name: self.observer.observe(name, survey), components)
            return dict(zip(components, found, strict=True))

    def apply(self, component: str, notify: Notify = unheard) -> None:
        """See :meth:`Driver.apply`.

        Raises:
            LockedError: somebody else changes the deployment.
            HelmError: Helm or the API server refused.
            ClusterError: the API server refused.
            UnhealthyError: a unit that others wait for does not become ready.
            ConfigurationError: objects that are not ours are in the place of ours; or we run in the cluster, and this
                is not changed from there.
        """
        desired = self.desired(component)
        self._refuse_inside(component)
        if self.renderer.units(component):
            notify("locking", "")
            self.baseline.record(self.namespace)
            ensure_namespace(self.cluster, self.namespace)
            self.lease.acquire()
            for namespace in self._namespaces(component):
                ensure_namespace(self.cluster, namespace, self._labels(component, namespace))
            for unit in self.renderer.units(component):
                if unit.shared:
                    self.shared.hold(unit)
        sightings = self.observer.look(
            component, self.cluster
        )  # again: what was seen before the lease was taken may have changed since
        self._refuse_strangers(component, sightings)
        self.releases.put(
            component,
            Release(
                provider="helm",
                digest=desired.digest,
                needs=tuple(sorted(self.deployment.resolution.dependencies(component))),
                applied_at=now(),
                failure=UNFINISHED,
            ),
        )
        self.credentials.write(component, self.secret_store.read())
        self.publication.write(component, self.secret_store.read())
        for seen in sightings:
            upgrading = functools.partial(self.returns.upgrading, seen)
            if seen.unit.shared:
                self.shared.apply(seen, notify, upgrading)
            else:
                self.applier.apply(seen, desired.digest, notify, upgrading)
            self.applier.ready(seen.unit, notify, lambda: False)  # an interrupt comes through `notify`

    def probe(self, component: str) -> dict[str, Observation]:
        """See :meth:`Driver.probe`; through forwarded ports, unless we run in the cluster.

        What provides nothing has nobody to ask: it is healthy while its units are ready.
        """
        connections = self.deployment.rendered(component, {}).connections
        for unit in self._units(component) if not connections else ():
            refuse_unready(self.cluster, unit)
        timeout = self.deployment.spec(component).health.timeout_seconds
        with Forwards(self.cluster) as forwards:
            here = {capability: forwards.here(connection) for capability, connection in connections.items()}
            try:
                return probe_all(self.deployment, here, self._secrets(connections.values()), timeout)
            except UnhealthyError as error:
                raise UnhealthyError(forwards.spoken(error.reason), instruction=error.instruction) from error

    def starting(self, component: str) -> bool:
        """See :meth:`Driver.starting`."""
        budget = self.deployment.spec(component).health.start_seconds
        pods = [pod for _, pod in self._pods(component)]
        if given_up(*pods):
            return False
        for pod in pods:
            began = started_at(pod)
            if not is_ready(pod) and (began is None or (datetime.now(UTC) - began).total_seconds() < budget):
                return True
        return False

    def wait(
        self, component: str, notify: Notify = unheard, *, cancelled: Callable[[], bool]
    ) -> dict[str, Observation]:
        """See :meth:`Driver.wait`."""

        def hopeless() -> str | None:
            cause = given_up(*(pod for _, pod in self._pods(component)))
            return str(cause) if cause else None

        return wait_healthy(
            component,
            lambda: self.probe(component),
            self.deployment.spec(component).health,
            notify=notify,
            cancelled=cancelled,
            hopeless=hopeless,
            explain=lambda: "\n".join(
                explain(self.cluster, unit.namespace, unit.release) for unit in self.renderer.units(component)
            ).strip(),
        )

    def settled(self, component: str, failure: str | None) -> None:
        """See :meth:`Driver.settled`; the revisions with which a component became healthy are marked."""
        before = self.releases.get(component)
        if failure is None and before is not None and (before.failure or self.returns.changed(component)):
            for unit in self.renderer.units(component):
                self.returns.healthy(unit)
        self.releases.settle(component, failure)

    def fall_back(self, component: str, notify: Notify = unheard) -> str:
        """See :meth:`Driver.fall_back`: stateless units go back, stateful ones stay as they are."""
        return " ".join(self.returns.after_failure(component, notify))

    def remove(self, component: str, *, delete_data: bool, notify: Notify = unheard) -> Sequence[str]:
        """See :meth:`Driver.remove`; the last unit goes first, and what is shared after what is not."""
        self._refuse_inside(component, delete_data=delete_data)
        records = self._records(component)
        units = self._units(component)
        names = [unit.release for unit in reversed(units) if unit.release in records]
        names += [name for name in records if name not in names]
        claims = [claim for name in {*names, *(unit.release for unit in units)} for claim in self._claims(name)]
        if names or (delete_data and claims):
            notify("locking", "")
            self.lease.acquire()
        for name in names:
            self.applier.remove(name, self.namespace, notify)
        if component in self.deployment.resolution.components and self.publication.concerns(component):
            self.publication.end_runs()
            wait_for(lambda: not self.publication.runs(), GONE_SECONDS)
        keeps_secrets = any("secrets" in unit.unit.keep for unit in units)
        if delete_data or not keeps_secrets:
            self.credentials.remove(component)
            self.publication.remove(component)
        if delete_data:
            for claim in claims:
                notify("deleting", str(claim))
                self.cluster.delete(claim)
        stays: list[str] = []
        if any(unit.shared for unit in units) or component not in self.deployment.resolution.components:
            stays, emptied = self.shared.remove(component, delete_data=delete_data, notify=notify)
            self.shared.release(gone=emptied)
            for namespace in emptied:
                leave_namespace(self.cluster, namespace)
        self.releases.drop(component)
        return stays

    def findings(self, component: str, observed: Observed) -> tuple[Finding, ...]:
        """See :meth:`Driver.findings`: what the cluster says about its pods, and what is not as it was applied."""
        found = [
            Finding(CauseKind.DRIFT, component, sentence.rstrip("."), f"`datamill up -c {component}` puts it right.")
            for sentence in observed.drift
            if consequential(sentence)
        ]
        for unit in self._units(component):
            found += findings(Place(self.cluster, unit.namespace, unit.release, component))
        return causes_first(found)

    def revive(self) -> frozenset[str]:
        """Nothing: Kubernetes keeps running what should run."""
        return frozenset()

    def report(self, component: str) -> Report:
        """See :meth:`Driver.report`; pods take the place of processes."""
        release = self.releases.get(component)
        addresses = {
            capability: found[0]
            for capability, connection in self.deployment.rendered(component, {}).connections.items()
            for value in (*connection.fields.values(), split_address(connection))
            if (found := ADDRESS.search(str(value)))
        }
        return Report(
            addresses=addresses,
            processes=[process(pod) for _, pod in self._pods(component)],
            applied_at=datetime.fromisoformat(release.applied_at) if release and release.applied_at else None,
        )

    def logs(self, component: str, lines: int) -> list[str]:
        """See :meth:`Driver.logs`."""
        found = {
            f"{pod['metadata']['name']}/{container}": said
            for namespace, pod in self._pods(component)
            for container, said in log_lines(self.cluster, namespace, pod, lines).items()
        }
        if len(found) == 1:
            return next(iter(found.values()))
        return [line for name, said in found.items() for line in (f"==> {name} <==", *said)]

    def follow(self, component: str) -> Iterator[str]:
        """See :meth:`Driver.follow`; a line says whose it is when the component has several containers."""
        several = sum(len(pod["spec"]["containers"]) for _, pod in self._pods(component)) > 1
        for name, line in follow(self.cluster, lambda: [pod for _, pod in self._pods(component)]):
            yield f"{name}: {line}" if several else line

    def close(self) -> None:
        """See :meth:`Driver.close`: the lease goes, and each namespace that we made and that has nothing left in it."""
        if latest_records(self.cluster, self.namespace):
            return
        self.lease.release()
        self.cluster.delete(self.lease.ref)
        for name in (self.deployment.definition.file.namespaces.runs, self.namespace):
            leave_namespace(self.cluster, name)

    def finish(self) -> None:
        """See :meth:`Driver.finish`: others may write now."""
        if "lease" in self.__dict__:
            self.lease.release()
        if "shared" in self.__dict__:
            self.shared.release()

    def known_secrets(self, components: Sequence[str]) -> Mapping[str, str]:
        """See :meth:`Driver.known_secrets`: what a deploy from another machine has generated."""
        mine = [name for name in components if self.deployment.provider(name) == "helm"]
        return {full: value for name in mine for full, value in self.credentials.known(name).items()}

    def obstacles(self, components: Sequence[str]) -> list[str]:
        """See :meth:`Driver.obstacles`: rights we do not have, and pods that would find no node."""
        mine = [name for name in components if self.deployment.provider(name) == "helm"]
        units = [unit for name in mine for unit in self.renderer.units(name)]
        if not mine:
            return []
        return [
            *missing_rights(self.cluster, self.namespace, units),
            *missing_room(self.cluster, units),
            *self.shared.obstacles(units),
        ]

    def granted(self) -> list[str]:
        """See :meth:`Driver.granted`: the rights of the platform's own code location."""
        return [str(right) for right in self.renderer.rights()]

    @contextlib.contextmanager
    def reachable(self, connection: Connection) -> Iterator[Connection]:
        """See :meth:`Driver.reachable`: through forwarded ports, unless we run in the cluster."""
        with Forwards(self.cluster) as forwards:
            yield forwards.here(connection)

    def proof(self) -> Proof:
        """See :meth:`Driver.proof`."""
        traces = traces_of(self.deployment, self.cluster, self.renderer, self.credentials)
        return ClusterProof(self.cluster, self.baseline, traces)

    @contextlib.contextmanager
    def forwarded(self, component: str, ports: Mapping[int, int]) -> Iterator[Sequence[Forwarded]]:
        """See :meth:`Driver.forwarded`."""
        connections = self.deployment.rendered(component, {}).connections
        with Forwards(self.cluster) as forwards:
            found = service_ports(self.cluster, connections.values(), self._units(component))
            yield open_ports(forwards, component, found, ports)

    def _namespaces(self, component: str) -> list[str]:
        """Where a component has objects, besides the deployment's own namespace."""
        used = {ref.namespace for unit in self.renderer.units(component) for ref in unit.by_ref}
        used |= {unit.namespace for unit in self.renderer.units(component)}
        return sorted(used - {self.namespace, ""})

    def _labels(self, component: str, namespace: str) -> Mapping[str, str] | None:
        """Of a namespace, where a unit brings them."""
        return next((unit.labels for unit in self.renderer.units(component) if unit.namespace == namespace), None)

    def _records(self, component: str) -> list[str]:
        return list(latest_records(self.cluster, self.namespace, {COMPONENT_LABEL: component}))

    def _units(self, component: str) -> list[RenderedUnit]:
        return self.renderer.units(component) if component in self.deployment.resolution.components else []

    def _pods(self, component: str) -> Iterator[tuple[str, Object]]:
        for unit in self._units(component):
            for pod in pods_of(self.cluster, unit.namespace, unit.release):
                yield unit.namespace, pod

    def _claims(self, release: str) -> list[Ref]:
        return [Ref.of(claim) for claim in self.cluster.find(*VOLUMES, self.namespace, f"{INSTANCE_LABEL}={release}")]

    def _secrets(self, connections: Iterable[Connection]) -> dict[str, str]:
        """The secrets that connections name: those of this machine, else those of the cluster."""
        known = self.secret_store.read()
        wanted = {secret for connection in connections for secret in connection.secrets.values()}
        owners = {secret.partition(".")[0] for secret in wanted - known.keys()}
        return known | dict(self.known_secrets(sorted(owners & self.deployment.resolution.components.keys())))

    def _refuse_inside(self, component: str, *, delete_data: bool = False) -> None:
        """Nobody in the cluster may do these; the API server would refuse each, one by one."""
        if not self.cluster.inside:
            return
        reasons = [reason for unit in self._units(component) if (reason := outside_only(unit))]
        if delete_data:
            reasons.append("deleting data is not among the rights of those who run in the cluster")
        if reasons:
            raise ConfigurationError(
                f"{component} is changed from outside the cluster only: {reasons[0]}.",
                instruction="Where a person's kubeconfig is, `datamill plan` shows what differs, and `datamill up`"
                " (or `down`) changes it. An older image in the cluster sees differences, too.",
            )

    def _refuse_strangers(self, component: str, sightings: Sequence[Sighting]) -> None:
        for seen in sightings:
            if not seen.exists or seen.managed or seen.unit.shared:
                continue
            what = ", ".join(map(str, seen.strangers)) or f"a Helm release {seen.unit.release}"
            raise ConfigurationError(
                f"{component}: in namespace {self.namespace} of {self.deployment.context} there is already {what},"
                " which this program did not make.",
                instruction=f"Remove it, or choose another `namespaces.system` in {self.deployment.deployment_file}.",
            )
