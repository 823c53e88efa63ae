"""Components as supervised processes: the driver of the target ``embedded``."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from datamill_infra.drivers.driver import Driver, ProcessReport, Report, unheard
from datamill_infra.drivers.embedded import journal, ports
from datamill_infra.drivers.embedded.cleanliness import MachineProof
from datamill_infra.drivers.embedded.following import follow
from datamill_infra.drivers.embedded.supervisor import Supervisor
from datamill_infra.drivers.embedded.workspace import Workspace
from datamill_infra.drivers.files import state_error, tail
from datamill_infra.drivers.health import probe_all, wait_healthy
from datamill_infra.drivers.releases import UNFINISHED, Release, Releases, now
from datamill_infra.model.states import Observed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from datamill_infra.capabilities import Observation
    from datamill_infra.drivers.driver import Notify
    from datamill_infra.drivers.embedded.program import Program
    from datamill_infra.model.deployment import Deployment
    from datamill_infra.model.leftovers import Proof
    from datamill_infra.model.states import Desired

# A server that has ended so often since its start ends again: report it instead of waiting out the budget.
HOPELESS_ENDS = 3
TAIL_LINES = 15
# Sockets of a process that has just been killed are closed by the kernel a moment later.
RELEASE_SECONDS = 2.0


class EmbeddedDriver(Driver):
    """Processes of this machine.

    Args:
        deployment: whose components.
        releases: what was applied.
        workspace: contexts and programs; by default of the deployment.
        supervisor: the door to supervisord; by default that of the deployment.
    """

    def __init__(
        self,
        deployment: Deployment,
        releases: Releases,
        *,
        workspace: Workspace | None = None,
        supervisor: Supervisor | None = None,
    ) -> None:
        self.deployment = deployment
        self.releases = releases
        self.workspace = workspace or Workspace(deployment)
        self.supervisor = supervisor or Supervisor(deployment.home)

    def desired(self, component: str) -> Desired:
        """See :meth:`Driver.desired`."""
        return self.deployment.desired(component, self.workspace.ports())

    def observe(self, component: str) -> Observed:
        """See :meth:`Driver.observe`."""
        release = self.releases.get(component)
        if release is None and component not in self.supervisor.components():
            return Observed(component, exists=bool(self._strangers(component)))
        wanted = component in self.deployment.resolution.components
        return Observed(
            component,
            exists=True,
            managed=True,
            digest=release.digest if release else None,
            facts=release.facts if release else None,
            drift=self._drift(component) if wanted else (),
            # A command that was killed left something or nothing; which of the two is drift, not failure.
            failure=release.failure if release and release.failure != UNFINISHED else None,
        )

    def apply(self, component: str, notify: Notify = unheard) -> None:
        """See :meth:`Driver.apply`.

        Raises:
            ArtifactError: a server artifact could not be had.
            PortTakenError: a foreign process listens on one of its ports.
            StateError: a file could not be written.
            ConfigurationError: its ``embedded.py`` is wrong.
        """
        if component not in self.supervisor.components():
            self._refuse_strangers(component)
        self.workspace.cache.ensure(self.workspace.artifacts(component), lambda text: notify("fetching", text))
        programs, desired = self.workspace.programs(component), self.desired(component)
        notify("starting", "")
        self.releases.put(
            component,
            Release(
                provider="embedded",
                digest=desired.digest,
                facts=desired.facts,
                needs=tuple(sorted(self.deployment.resolution.dependencies(component))),
                applied_at=now(),
                failure=UNFINISHED,
            ),
        )
        if component in self.supervisor.components():
            self.supervisor.drop(component)
            self._refuse_strangers(component)
        self.workspace.write(component, programs)
        self.workspace.install(component)
        for program in programs:
            if program.prepare is not None:
                try:
                    program.prepare()
                except OSError as error:
                    raise state_error(self.workspace.paths(component).data, error) from error
        if programs:
            self.supervisor.put(component, programs, self.workspace.environment(component))

    def probe(self, component: str) -> dict[str, Observation]:
        """See :meth:`Driver.probe`."""
        connections = self.workspace.rendered(component).connections
        timeout = self.deployment.spec(component).health.timeout_seconds
        return probe_all(self.deployment, connections, self.workspace.secret_store.read(), timeout)

    def starting(self, component: str) -> bool:
        """See :meth:`Driver.starting`."""
        budget = self.deployment.spec(component).health.start_seconds
        mine = [process for process in self.supervisor.processes() if process.component == component]
        return any(process.pid and time.time() - process.since < budget for process in mine)

    def wait(
        self, component: str, notify: Notify = unheard, *, cancelled: Callable[[], bool]
    ) -> dict[str, Observation]:
        """See :meth:`Driver.wait`."""
        seen: dict[str, set[int]] = {}

        def hopeless() -> str | None:
            running = [process for process in self.supervisor.processes() if process.component == component]
            for process in running:
                if process.pid:
                    seen.setdefault(process.program, set()).add(process.pid)
            often = next((name for name, pids in seen.items() if len(pids) > HOPELESS_ENDS), None)
            if often is None:
                return None
            story = journal.read(self.supervisor.journal_file).get(often, journal.Story())
            return f"{often} ends again and again. {story.sentence()}".rstrip(".")

        return wait_healthy(
            component,
            lambda: self.probe(component),
            self.deployment.spec(component).health,
            notify=notify,
            cancelled=cancelled,
            hopeless=hopeless,
            explain=lambda: self._log_end(component),
        )

    def settled(self, component: str, failure: str | None) -> None:
        """See :meth:`Driver.settled`."""
        self.releases.settle(component, failure)

    def remove(self, component: str, *, delete_data: bool, notify: Notify = unheard) -> Sequence[str]:
        """See :meth:`Driver.remove`."""
        notify("stopping", "")
        logs = self._log_files(component)
        self.supervisor.drop(component)
        folder = self.deployment.component_dir(component)
        try:
            for name in ("config", "tmp"):
                _erase(folder / name)
            if delete_data:
                notify("deleting", "")
                _erase(folder)
                for log in logs:
                    for file in (log, *log.parent.glob(f"{log.name}.*")):
                        file.unlink(missing_ok=True)
                self.workspace.book.forget([component])
        except OSError as error:
            raise state_error(folder, error) from error
        self.releases.drop(component)
        return ()

    def revive(self) -> frozenset[str]:
        """See :meth:`Driver.revive`: starts supervisord, and with it every program that it should keep running."""
        components = frozenset(self.supervisor.components())
        return components if components and self.supervisor.ensure() else frozenset()

    def report(self, component: str) -> Report:
        """See :meth:`Driver.report`."""
        release = self.releases.get(component)
        numbers = self.workspace.book.read().get(component, {})
        stories = journal.read(self.supervisor.journal_file)
        states = {state.program: state for state in self.supervisor.processes() if state.component == component}
        processes = []
        for log in self._log_files(component):
            story, state = stories.get(log.stem, journal.Story()), states.get(log.stem)
            processes.append(
                ProcessReport(
                    name=log.stem,
                    state=state.state.lower() if state else "stopped",
                    pid=state.pid or None if state else None,
                    since=datetime.fromtimestamp(state.since, UTC) if state and state.pid else story.since,
                    restarts=len(story.incidents),
                    story=story.sentence(),
                    last_end=story.incidents[-1].at if story.incidents else None,
                )
            )
        return Report(
            addresses={name: f"{ports.HOST}:{number}" for name, number in numbers.items()},
            processes=processes if release else (),
            applied_at=datetime.fromisoformat(release.applied_at) if release else None,
            log_files=[str(log) for log in self._log_files(component)],
        )

    def logs(self, component: str, lines: int) -> list[str]:
        """See :meth:`Driver.logs`."""
        files = [file for file in self._log_files(component) if file.exists()]
        if len(files) == 1:
            return tail(files[0], lines)
        return [line for file in files for line in (f"==> {file.name} <==", *tail(file, lines))]

    def follow(self, component: str) -> Iterator[str]:
        """See :meth:`Driver.follow`."""
        return follow(self._log_files(component))

    def close(self) -> None:
        """See :meth:`Driver.close`."""
        if not self.supervisor.components():
            self.supervisor.shutdown()

    def proof(self) -> Proof:
        """See :meth:`Driver.proof`."""
        return MachineProof(self.deployment, self.workspace.book.read())

    def _drift(self, component: str) -> tuple[str, ...]:
        if missing := self.workspace.missing_secrets(component):
            return tuple(f"The secret {name} is gone." for name in missing)
        programs = self.workspace.programs(component)
        found = [f"{path} was changed." for path in self.workspace.differing_files(component, programs)]
        environment = self.workspace.environment(component)
        found += [f"{name} would be started differently." for name in self._outdated(component, programs, environment)]
        if programs and self.supervisor.pid() is None:
            return (*found, "Its supervisor is not running.")
        states = {state.program: state for state in self.supervisor.processes() if state.component == component}
        found += [f"{p.name} is not running." for p in programs if p.name not in states or not states[p.name].pid]
        own = [state.pid for state in states.values() if state.pid]
        return (*found, *self._strangers(component, own))

    def _outdated(self, component: str, programs: Sequence[Program], environment: dict[str, str]) -> list[str]:
        return self.supervisor.outdated(component, programs, environment)

    def _strangers(self, component: str, own: Sequence[int] = ()) -> list[str]:
        """A sentence for each of its ports on which somebody else listens."""
        numbers = self.workspace.book.read().get(component, {})
        foreign = ports.foreign_listeners(list(numbers.values()), own)
        return [
            f"On its port {name} ({number}) listens {foreign[number].description}."
            for name, number in numbers.items()
            if number in foreign
        ]

    def _refuse_strangers(self, component: str) -> None:
        deadline = time.monotonic() + RELEASE_SECONDS
        for name, number in self.workspace.ports().get(component, {}).items():
            while not ports.is_free(number):
                if time.monotonic() > deadline:
                    raise ports.taken(component, name, number, self.workspace.book.file)
                time.sleep(0.05)

    def _log_files(self, component: str) -> list[Path]:
        """Of what runs, or of what ran when nothing does."""
        names = self.supervisor.programs(component)
        if not names:
            pattern = f"{component}-*.log"
            names = [component, *(file.stem for file in sorted(self.deployment.log_dir.glob(pattern)))]
        return [self.supervisor.logs / f"{name}.log" for name in names]

    def _log_end(self, component: str) -> str:
        lines = self.logs(component, TAIL_LINES)
        where = ", ".join(str(file) for file in self._log_files(component))
        return "\n".join([f"The last lines of {where}:", *(f"    {line}" for line in lines)]) if lines else ""


def _erase(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
