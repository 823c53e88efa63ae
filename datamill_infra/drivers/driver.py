"""What every provider can do for a component of one deployment.

A driver knows how; when, in which order and what to do about a failure is the business of
:class:`datamill_infra.drivers.rollout.Rollout`. Methods of one driver are called from several threads, but never at the
same time for one component. Those that change anything are called under the writer lock.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from datamill_infra.model.causes import CauseKind, Finding
from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from datamill_infra.capabilities import Observation
    from datamill_infra.model.connections import Connection
    from datamill_infra.model.leftovers import Proof
    from datamill_infra.model.states import Desired, Observed

    Notify = Callable[[str, str], None]
    """Receives a state, one word (``fetching``, ``starting``, ``probing``), and a sentence, which may be empty."""


RUNNING = "running"
FINDING_LINES = 15


def unheard(_state: str, _message: str) -> None:
    """A :data:`Notify` for when nobody listens."""


@dataclass(frozen=True)
class ProcessReport:
    """One process of a component.

    Attributes:
        name: of the program.
        state: ``running``, ``stopped``, ``starting``, ...
        pid: or ``None`` when there is no process.
        since: when it was last started, or ``None`` if never.
        restarts: how often it ended unasked since it was last started on purpose.
        story: what happened to it, a sentence; empty when nothing did.
        last_end: when it last ended unasked, or ``None``.
    """

    name: str
    state: str
    pid: int | None
    since: datetime | None
    restarts: int = 0
    story: str = ""
    last_end: datetime | None = None


@dataclass(frozen=True)
class Report:
    """What there is to say about a component besides its state and its health.

    Attributes:
        addresses: where it listens, by port name; for people.
        processes: its processes; none for components that need none or run elsewhere.
        applied_at: when it was last applied, or ``None``.
        log_files: where its servers write, for people.
    """

    addresses: Mapping[str, str] = field(default_factory=dict)
    processes: Sequence[ProcessReport] = ()
    applied_at: datetime | None = None
    log_files: Sequence[str] = ()

    @property
    def story(self) -> str:
        """What happened to its processes; empty when nothing did."""
        return " ".join(f"{p.name}: {p.story}" for p in self.processes if p.story)


@dataclass(frozen=True)
class Forwarded:
    """One port of a component that can be reached from this machine for the moment.

    Attributes:
        name: of the port.
        address: of the service in the cluster.
        local: where it is here, ``host:port``.
    """

    name: str
    address: str
    local: str


class Driver(ABC):
    """One provider, for one deployment."""

    @property
    def inside(self) -> bool:
        """Whether this process runs where the components do, and not on the machine of whoever deploys them."""
        return False

    @abstractmethod
    def desired(self, component: str) -> Desired:
        """What is wanted of a component, with every address that is known."""

    @abstractmethod
    def observe(self, component: str) -> Observed:
        """What is there of a component. Changes nothing; ``component`` may have left the deployment."""

    def observe_all(self, components: Sequence[str]) -> dict[str, Observed]:
        """What is there of several components, in one go."""
        return {name: self.observe(name) for name in components}

    @abstractmethod
    def apply(self, component: str, notify: Notify = unheard) -> None:
        """Make what is there what is wanted, as far as the first moment of its start.

        Called when :meth:`observe` and :meth:`desired` differ, or when what runs does not answer; then it is started
        afresh. :meth:`wait` follows.

        Raises:
            DatamillError: it cannot be, e.g. because something that is not ours is in its place; what was there before
                may have been stopped.
        """

    @abstractmethod
    def probe(self, component: str) -> dict[str, Observation]:
        """One round trip for each capability that a component provides.

        Raises:
            UnhealthyError: the first that did not succeed.
        """

    @abstractmethod
    def starting(self, component: str) -> bool:
        """Whether it was started so recently that it may yet become healthy."""

    @abstractmethod
    def wait(
        self, component: str, notify: Notify = unheard, *, cancelled: Callable[[], bool]
    ) -> dict[str, Observation]:
        """Probe until everything succeeds.

        Args:
            component: which.
            notify: hears why it is not healthy yet.
            cancelled: asked before each probe; when it says yes, the wait ends.

        Raises:
            UnhealthyError: it did not within the component's budget, or it cannot any more.
            CancelledError: ``cancelled`` said yes.
        """

    @abstractmethod
    def settled(self, component: str, failure: str | None) -> None:
        """Remember how an apply ended.

        Args:
            component: which.
            failure: why it failed, or ``None`` when the component became healthy.
        """

    def fall_back(self, component: str, notify: Notify = unheard) -> str:
        """After a failed :meth:`apply` or :meth:`wait`: go back to what was good before, where that is safe.

        Returns:
            What was done, or why nothing was, a sentence; empty when there is nothing to go back to.
        """
        del component, notify
        return ""

    @abstractmethod
    def remove(self, component: str, *, delete_data: bool, notify: Notify = unheard) -> Sequence[str]:
        """Stop a component and forget it; its data stays unless it is to be deleted. Nothing there is no error.

        Returns:
            What stays besides its data, a clause each with the reason.
        """

    @abstractmethod
    def revive(self) -> frozenset[str]:
        """Bring back what should run and does not, because what keeps it running has ended.

        Any command may call it, without the writer lock: it restores what was asked for, and changes nothing else.

        Returns:
            The components that are being started.
        """

    def findings(self, component: str, observed: Observed) -> tuple[Finding, ...]:
        """Why the processes of a component that does not answer do not run, causes first; empty when they do.

        Args:
            component: which.
            observed: what :meth:`observe` has just said of it.
        """
        del observed
        return tuple(
            Finding(
                CauseKind.CRASH,
                f"process {process.name}",
                f"it is {process.state}" + (f": {process.story}" if process.story else ""),
                f"Read what it wrote (`datamill logs {component}`); `datamill up -c {component}` starts it again.",
                tuple(self.logs(component, FINDING_LINES)),
            )
            for process in self.report(component).processes
            if process.state != RUNNING
        )

    @abstractmethod
    def report(self, component: str) -> Report:
        """Addresses, processes and their past."""

    def follow(self, component: str) -> Iterator[str]:
        """Lines of its log as they are written, without end.

        Raises:
            ConfigurationError: nothing of it writes a log here.
        """
        raise ConfigurationError(
            f"{component} writes no log here.", instruction="Look where it runs; `datamill show` says who provides it."
        )

    @abstractmethod
    def logs(self, component: str, lines: int) -> list[str]:
        """The last lines that a component's servers wrote, oldest first; empty when there are none."""

    @abstractmethod
    def close(self) -> None:
        """Called once nothing of the deployment is left: stop what only serves the driver itself."""

    def finish(self) -> None:
        """Called at the end of each pass that may have changed something, whatever became of it."""
        return

    def known_secrets(self, components: Sequence[str]) -> Mapping[str, str]:
        """Generated secrets that are kept where the components run, by full name; they win over new ones.

        Args:
            components: of the deployment; those of other providers count for nothing.
        """
        del components
        return {}

    @contextlib.contextmanager
    def reachable(self, connection: Connection) -> Iterator[Connection]:
        """A connection as it works from this machine, for as long as the context lasts."""
        yield connection

    def granted(self) -> list[str]:
        """What a deploy lets components do to the platform itself, one line each; for people to see before."""
        return []

    @contextlib.contextmanager
    def forwarded(self, component: str, ports: Mapping[int, int]) -> Iterator[Sequence[Forwarded]]:
        """Ports of a component on this machine's loopback, for as long as the context lasts.

        Args:
            component: which.
            ports: port of its service to port here, 0 for any that is free; all, each under its own number, when empty.

        Raises:
            ConfigurationError: it is not on a cluster, or has no such port.
            PortTakenError: somebody listens on a port here.
            UnhealthyError: no pod of it runs.
        """
        del ports
        addresses = ", ".join(self.report(component).addresses.values()) or "see `datamill env`"
        raise ConfigurationError(
            f"{component} is not on a cluster, so there is nothing to forward.",
            instruction=f"Use its own address: {addresses}.",
        )
        yield ()

    def proof(self) -> Proof | None:
        """What can say, once everything was taken down, what is left; ``None`` where nothing can be."""
        return None

    def obstacles(self, components: Sequence[str]) -> list[str]:
        """What would keep a deploy from succeeding, one sentence each, as far as it can be told without trying.

        Args:
            components: that a deploy would change; those of other providers count for nothing.
        """
        del components
        return []
