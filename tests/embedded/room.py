"""What tests do with the running platform."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from datamill_infra.drivers.embedded.driver import EmbeddedDriver
from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.passes import Outcome
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.drivers.secrets import SecretStore
from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import UnhealthyError
from datamill_infra.model.published import published_connection

HOLDER = "the tests"
# Far above what it takes; a machine may be busy.
RECOVERY_SECONDS = 180.0


@dataclass(frozen=True)
class Platform:
    """A running deployment of the flavour ``demo``.

    Attributes:
        home: its directory, which can serve as ``DAGSTER_HOME``.
        outcomes: how bringing it up ended, by component.
    """

    home: Path
    outcomes: dict[str, Outcome]

    @property
    def deployment(self) -> Deployment:
        """As it is on disk."""
        return Deployment.load(self.home)

    @property
    def driver(self) -> EmbeddedDriver:
        """The driver that keeps it running."""
        driver = Rollout(self.deployment).drivers["embedded"]
        assert isinstance(driver, EmbeddedDriver)
        return driver

    def connection(self, capability: str) -> ResolvedConnection:
        """A published connection, with its secrets."""
        return published_connection(self.deployment, capability)

    def secrets(self) -> dict[str, str]:
        """Every secret by its full name."""
        return dict(SecretStore(self.deployment.secrets_file).read())

    def up(self, *components: str) -> dict[str, Outcome]:
        """Bring up again, as a user would."""
        deployment = self.deployment
        with writer_lock(deployment, HOLDER):
            return Rollout(deployment).up(components or None)

    def pid(self, program: str) -> int:
        """Of a supervised process; 0 when it is not running."""
        return next((p.pid for p in self.driver.supervisor.processes() if p.program == program), 0)

    def kill(self, program: str) -> None:
        """SIGKILL a process, and return when the supervisor has started another one."""
        before = self.pid(program)
        psutil.Process(before).send_signal(signal.SIGKILL)
        deadline = time.monotonic() + RECOVERY_SECONDS
        while self.pid(program) in {before, 0}:
            assert time.monotonic() < deadline, f"{program} was not started again"
            time.sleep(0.05)

    def wait_healthy(self, component: str) -> None:
        """Return when its probes succeed."""
        deadline = time.monotonic() + RECOVERY_SECONDS
        driver = self.driver
        while True:
            try:
                driver.probe(component)
            except UnhealthyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def processes(self) -> list[psutil.Process]:
        """The supervisor's children and theirs."""
        supervisor = self.driver.supervisor.pid()
        assert supervisor is not None
        return psutil.Process(supervisor).children(recursive=True)
