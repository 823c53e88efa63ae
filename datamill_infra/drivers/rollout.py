"""Bringing a deployment up and down: the order, the parallelism and the rules about failure.

Each component starts as soon as everything it needs is healthy; a failure stops only what depends on it; taking down is
the exact reverse (:mod:`.passes`). The command line, the Dagster assets and CI use this one engine. Whoever calls
:meth:`Rollout.up` or :meth:`Rollout.down` holds the writer lock (:mod:`.lock`).
"""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from datamill_infra import capabilities
from datamill_infra.drivers.embedded.driver import EmbeddedDriver
from datamill_infra.drivers.embedded.ports import PortBook
from datamill_infra.drivers.erasure import erase_state
from datamill_infra.drivers.external import ExternalDriver
from datamill_infra.drivers.health import CancelledError
from datamill_infra.drivers.lock import current_holder
from datamill_infra.drivers.passes import FAILURES, Event, Outcome, Pass, unseen
from datamill_infra.drivers.publishing import Publisher
from datamill_infra.drivers.releases import Releases
from datamill_infra.drivers.secrets import SecretStore
from datamill_infra.drivers.turns import Turns
from datamill_infra.model.errors import ConfigurationError, DatamillError, UnhealthyError
from datamill_infra.model.plan import Action, Plan, plan
from datamill_infra.model.states import ReleaseState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from datamill_infra.capabilities import Observation
    from datamill_infra.drivers.driver import Driver, Notify
    from datamill_infra.model.connections import ResolvedConnection
    from datamill_infra.model.deployment import Deployment
    from datamill_infra.model.leftovers import Proof
    from datamill_infra.model.plan import Change
    from datamill_infra.model.states import Observed

ATTEMPTS = 2
"""One lost answer, of a busy machine, is no reason to start a server afresh."""


class Rollout:
    """Up, down, plan and observation of one deployment.

    Args:
        deployment: which.
        drivers: by provider; by default those of this package.
        lossy: whether definitions of kinds on a cluster may be changed so that something is lost.
    """

    def __init__(
        self, deployment: Deployment, drivers: Mapping[str, Driver] | None = None, *, lossy: bool = False
    ) -> None:
        self.deployment = deployment
        self.releases = Releases(deployment.releases_file)
        self.drivers: Mapping[str, Driver] = drivers or default_drivers(deployment, self.releases, lossy=lossy)
        self.publisher = Publisher(deployment)
        self._cancelled = threading.Event()
        self._revived: frozenset[str] = frozenset()
        self._settled: Mapping[str, Observed] = {}

    def driver(self, component: str) -> Driver:
        """Who is responsible for a component: of the deployment, or one that was applied earlier.

        Raises:
            ConfigurationError: its provider cannot be driven from here.
        """
        if component in self.deployment.resolution.components:
            return self._driver(component, self.deployment.provider(component))
        return self._applied_by(component)

    def _applied_by(self, component: str) -> Driver:
        """Who applied a component, which may not be who would apply it now."""
        release = self.releases.get(component)
        return self._driver(component, release.provider if release else self.deployment.provider(component))

    def _driver(self, component: str, provider: str) -> Driver:
        if provider not in self.drivers:
            raise ConfigurationError(
                f"{component} is obtained through {provider!r}, which this version cannot drive.",
                instruction=f"Choose another provider for it in {self.deployment.deployment_file}:"
                f" {', '.join(sorted(self.drivers))}.",
            )
        return self.drivers[provider]

    def observe(self, components: Iterable[str] | None = None) -> dict[str, Observed]:
        """What is there: of the components named, or of all in the deployment and all that were applied earlier."""
        names = list(components) if components is not None else [*self._sequence(), *self._leftovers()]
        holder, seen = current_holder(self.deployment), self._look(names)
        return {name: replace(one, locked_by=str(holder)) for name, one in seen.items()} if holder else seen

    def plan(self) -> Plan:
        """What :meth:`up` would do. Chooses port numbers when the deployment exists; changes nothing else."""
        if self.deployment.deployment_file.exists():
            self._allocate(self._sequence())
        order = self._sequence()
        desired = {name: self.driver(name).desired(name) for name in order}
        return plan(desired, self.observe(), order)

    def obstacles(self, changes: Plan) -> list[str]:
        """What would keep :meth:`up` from carrying out a plan, one sentence each; changes nothing."""
        names = [change.component for change in changes if change.action not in (Action.NONE, Action.REMOVE)]
        return [told for driver in self.drivers.values() for told in driver.obstacles(names)]

    def granted(self) -> list[str]:
        """What :meth:`up` lets components do to the platform itself, one line each; changes nothing."""
        return [told for driver in self.drivers.values() for told in driver.granted()]

    @contextlib.contextmanager
    def door(self, capability: str) -> Iterator[ResolvedConnection]:
        """A capability of the deployment as it is reached from here, with its secrets, for as long as it is needed.

        Raises:
            UnhealthyError: nothing of it runs.
        """
        component = self.deployment.resolution.bound[capability]
        driver = self.driver(component)
        ports = PortBook(self.deployment.ports_file).read()
        connection = self.deployment.rendered(component, ports).connections[capability]
        secrets = {**driver.known_secrets([component]), **SecretStore(self.deployment.secrets_file).read()}
        with driver.reachable(connection) as here:
            yield here.resolve(secrets)

    def up(
        self, components: Iterable[str] | None = None, *, on_event: Callable[[Event], None] = unseen
    ) -> dict[str, Outcome]:
        """Make the deployment what it should be, and wait until it is healthy.

        Args:
            components: only these and what they need; ``None`` for all, and then what the deployment does not have
                any more is removed.
            on_event: called from several threads.

        Returns:
            How it ended for each component, in order. Failures are in it; they are not raised.

        Raises:
            StateError: ports or secrets could not be remembered; nothing was started.
            ConfigurationError: likewise, because a file is damaged.
            KeyboardInterrupt: after Ctrl-C, once all threads have ended; what runs keeps running.
        """
        wanted = set(self._sequence()) if components is None else self.deployment.resolution.closure(components)
        order = [name for name in self._sequence() if name in wanted]
        self._leave_old_providers(order, on_event)
        # All, not only what is wanted: a claim is made through the connection of whoever makes it.
        self._allocate(self._sequence())
        store = SecretStore(self.deployment.secrets_file)
        for driver in self.drivers.values():
            store.put(driver.known_secrets(order))
        store.ensure(name for component in order for name in self.deployment.secrets(component))
        needs = {name: self.deployment.resolution.dependencies(name) & wanted for name in order}
        self._revived = self.revive()
        self._settled = self._as_wanted(order)
        turns = Turns(needs, {} if self._settled else {name: self._length(name) for name in order})
        run = Pass(needs, self._cancelled, on_event, turns)
        with self._finishing():
            outcomes = run.all(lambda name, notify: self._bring(name, wanted, notify))
            if components is None and all(outcome.succeeded for outcome in outcomes.values()):
                outcomes |= self._take_down(self._leftovers(), delete_data=False, on_event=on_event)
        return outcomes

    def confirm(
        self, components: Iterable[str] | None = None, *, on_event: Callable[[Event], None] = unseen
    ) -> dict[str, Outcome]:
        """What :meth:`up` would return if it had nothing to apply; empty otherwise, and nothing was applied.

        As in :meth:`up`, everything is looked at, every probe is asked, and what consumers claim is made sure of.

        Args:
            components: as for :meth:`up`.
            on_event: as for :meth:`up`; does not hear of failures, which are for :meth:`up` to deal with.
        """
        wanted = set(self._sequence()) if components is None else self.deployment.resolution.closure(components)
        order = [name for name in self._sequence() if name in wanted]
        known = self.releases.read()
        if not all(name in known and known[name].settled_by(self.deployment.provider(name)) for name in order):
            return {}
        if (components is None and self._leftovers()) or not (settled := self._as_wanted(order)):
            return {}
        self._settled = settled
        # Nobody waits for anybody: what does not answer is for `up`, which keeps to the order.
        run = Pass(
            {name: set() for name in order},
            self._cancelled,
            lambda event: None if event.state in FAILURES else on_event(event),
        )
        with self._finishing():
            outcomes = run.all(lambda name, notify: self._confirmed(name, wanted, notify))
        return outcomes if all(outcome.succeeded for outcome in outcomes.values()) else {}

    def down(
        self,
        components: Iterable[str] | None = None,
        *,
        delete_data: bool = False,
        on_event: Callable[[Event], None] = unseen,
    ) -> dict[str, Outcome]:
        """Stop components in the reverse of the order in which they start.

        Args:
            components: these and what depends on them; ``None`` for all.
            delete_data: delete what they keep, too. With all components, nothing of theirs is left then.
            on_event: called from several threads.

        Returns:
            How it ended for each component, in the order of stopping. A component that could not be stopped holds up
            those that it depends on.
        """
        if components is None:
            names = [*self._leftovers(), *reversed(self._sequence())]
        else:
            gone = self.deployment.resolution.dependants_closure(components)
            names = [name for name in reversed(self._sequence()) if name in gone]
        with self._finishing():
            outcomes = self._take_down(names, delete_data=delete_data, on_event=on_event)
            if components is None and all(outcome.succeeded for outcome in outcomes.values()):
                for driver in self.drivers.values():
                    driver.close()
                if delete_data:
                    erase_state(self.deployment)
        return outcomes

    def proofs(self) -> list[Proof]:
        """To be asked for before :meth:`down`: each says afterwards what is left."""
        used = {self.deployment.provider(name) for name in self._sequence()}
        used |= {release.provider for release in self.releases.read().values()}
        return [proof for name in sorted(used & self.drivers.keys()) if (proof := self.drivers[name].proof())]

    def revive(self) -> frozenset[str]:
        """Bring back what should run and does not, because its supervisor was killed; needs no writer lock.

        Returns:
            The components that are being started; they become healthy in their own time.
        """
        return frozenset[str]().union(*(driver.revive() for driver in self.drivers.values()))

    def cancel(self) -> None:
        """Have a running :meth:`up` end at the next opportunity; callable from any thread or signal handler."""
        self._cancelled.set()

    def _bring(self, component: str, wanted: set[str], notify: Notify) -> Outcome:
        driver = self.driver(component)
        notify("checking", "")
        observed = self._settled.get(component) or driver.observe(component)
        change = plan({component: driver.desired(component)}, {component: observed})[component]
        try:
            applied, observations = self._apply(driver, change, observed, notify)
            if observations is None:
                notify("probing", "")
                observations = driver.wait(component, notify, cancelled=self._cancelled.is_set)
            summary = self._serve(component, wanted, notify, observations)
        except CancelledError:
            raise  # not a failure: what was applied is left as it is, and the next command goes on from there
        except DatamillError as error:
            error.reason = "\n".join(filter(None, (error.reason, driver.fall_back(component, notify))))
            driver.settled(component, error.reason)
            raise
        driver.settled(component, None)
        if applied or component in self._revived:
            return Outcome(component, "changed", change, summary, observations=observations)
        seen = observed if change.action is Action.NONE else None  # it had failed, and answers now
        return Outcome(component, "unchanged", change, summary, observations=observations, observed=seen)

    def _confirmed(self, component: str, wanted: set[str], notify: Notify) -> Outcome:
        """How it ends for a component that is as wanted, if it answers, too."""
        driver, seen = self.driver(component), self._settled[component]
        change = plan({component: driver.desired(component)}, {component: seen})[component]
        observations = self._answers(driver, component, notify)
        summary = self._serve(component, wanted, notify, observations)
        return Outcome(component, "unchanged", change, summary, observations=observations, observed=seen)

    def _length(self, component: str) -> float:
        """The most seconds that its start may take; 0 when it has nothing to start."""
        member = self.deployment.resolution.members[component]
        return member.spec.health.start_seconds if member.starts else 0.0

    def _serve(self, component: str, wanted: set[str], notify: Notify, observations: Mapping[str, Observation]) -> str:
        """Give consumers what they claim of a healthy component, and pipelines its connection; sum up what it is."""
        self._provision_all(component, wanted, notify)
        self.publisher.publish(component)
        return "; ".join(observation.summary for observation in observations.values())

    def _look(self, names: list[str]) -> dict[str, Observed]:
        drivers = {name: self.driver(name) for name in names}
        seen: dict[str, Observed] = {}
        for driver in dict.fromkeys(drivers.values()):
            seen |= driver.observe_all([name for name in names if drivers[name] is driver])
        return {name: seen[name] for name in names}

    def _as_wanted(self, order: list[str]) -> dict[str, Observed]:
        """What one look at everything sees, if all of it is as wanted; nothing otherwise.

        Once one component changes, each is looked at in its turn. So is each when this look fails: then the reason
        belongs to the component that it fails for.
        """
        try:
            seen = self._look(order)
            wanted = {name: self.driver(name).desired(name) for name in order}
        except DatamillError:
            return {}
        changes = plan(wanted, seen, order)
        return {} if any(change.action is not Action.NONE for change in changes) else seen

    def _apply(
        self, driver: Driver, change: Change, observed: Observed, notify: Notify
    ) -> tuple[bool, dict[str, Observation] | None]:
        """Apply a change if there is one, or if the component runs as defined and yet does not answer.

        Returns:
            Whether anything was applied, and what its probes saw, where they have been asked.
        """
        component = change.component
        recovered = change.state is ReleaseState.FAILED and not change.differences and not observed.drift
        if change.action is Action.NONE or recovered:
            if driver.starting(component):
                return False, None
            with contextlib.suppress(UnhealthyError):
                return False, self._answers(driver, component, notify)
        driver.apply(component, notify)
        return True, None

    def _answers(self, driver: Driver, component: str, notify: Notify) -> dict[str, Observation]:
        """What the probes of something that runs see.

        Raises:
            UnhealthyError: none of several attempts was answered.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                return driver.probe(component)
            except UnhealthyError as error:
                notify("probing", error.reason)
        return driver.probe(component)

    def _leave_old_providers(self, order: list[str], on_event: Callable[[Event], None]) -> None:
        """Stop and forget what is obtained in another way now; its data stays, and its secrets are not carried over."""
        for name, release in self.releases.read().items():
            if name in order and release.provider != self.deployment.provider(name):
                on_event(Event(name, "stopping", f"It was {release.provider} before.", time.time()))
                self._applied_by(name).remove(name, delete_data=False)

    def _provision_all(self, component: str, wanted: set[str], notify: Notify) -> None:
        """What consumers claim of a component: one after the other, and side by side where all of it is there."""
        claims = [one for one in self.deployment.claims(component) if one[0] in wanted]
        for consumer, capability, _ in claims:
            notify("claims", f"{capability} for {consumer}")
        with ThreadPoolExecutor(len(claims) or 1 if self._settled else 1, thread_name_prefix="claims") as pool:
            for made in [pool.submit(self._provision, *one) for one in claims]:
                made.result()

    def _provision(self, consumer: str, capability: str, claim: Mapping[str, object]) -> None:
        ports = PortBook(self.deployment.ports_file).read()
        connection = self.deployment.needs(consumer, ports)[capability]
        whole = self.deployment.rendered(connection.component, ports).connections[capability]
        module = capabilities.load(capability, self.deployment.catalogue.folders)
        secrets = SecretStore(self.deployment.secrets_file).read()
        driver = self.driver(connection.component)
        with driver.reachable(connection) as here, driver.reachable(whole) as owner:
            capabilities.provision(module, here.resolve(secrets), claim, owner=owner.resolve(secrets))

    @contextlib.contextmanager
    def _finishing(self) -> Iterator[None]:
        """Tell the drivers when a pass is over."""
        try:
            yield
        finally:
            for driver in self.drivers.values():
                driver.finish()

    def _take_down(
        self, names: list[str], *, delete_data: bool, on_event: Callable[[Event], None]
    ) -> dict[str, Outcome]:
        present = set(names)
        users: dict[str, set[str]] = {name: set() for name in names}
        for name in names:
            for provider in self._providers(name) & present:
                users[provider].add(name)

        def remove(component: str, notify: Notify) -> Outcome:
            self.publisher.withdraw(component)
            stays = self._applied_by(component).remove(component, delete_data=delete_data, notify=notify)
            told = ["its data is deleted" if delete_data else "its data is kept", *stays]
            return Outcome(component, "removed", message="; ".join(told))

        return Pass(users, threading.Event(), on_event).all(remove)

    def _providers(self, name: str) -> set[str]:
        if name in self.deployment.resolution.components:
            return self.deployment.resolution.dependencies(name)
        release = self.releases.get(name)
        return set(release.needs) if release else set()

    def _allocate(self, order: list[str]) -> None:
        wanted = {
            name: self.deployment.spec(name).embedded.ports  # type: ignore[union-attr]  # it has that provider
            for name in order
            if self.deployment.provider(name) == "embedded"
        }
        PortBook(self.deployment.ports_file).allocate(wanted)

    def _sequence(self) -> list[str]:
        return self.deployment.resolution.sequence()

    def _leftovers(self) -> list[str]:
        """What was applied and is not part of the deployment any more."""
        return sorted(set(self.releases.read()) - set(self.deployment.resolution.components))


def default_drivers(deployment: Deployment, releases: Releases, *, lossy: bool = False) -> dict[str, Driver]:
    """The drivers of this package that a deployment may need."""
    found: dict[str, Driver] = {
        "embedded": EmbeddedDriver(deployment, releases),
        "external": ExternalDriver(deployment, releases),
    }
    if deployment.target != "embedded":
        # The Kubernetes client takes a second to load, and deployments on this machine never need it.
        from datamill_infra.drivers.helm.driver import HelmDriver  # noqa: PLC0415

        found["helm"] = HelmDriver(deployment, releases, lossy=lossy)
    return found
