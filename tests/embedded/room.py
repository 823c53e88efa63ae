"""What tests do with the running platform."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from datamill_pipelines.connections import PlatformConnections

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLDER = "the tests"
# Far above what it takes; a machine may be busy.
RECOVERY_SECONDS = 180.0
COMMAND_SECONDS = 500.0
# SIGKILL takes effect at once; until its new parent takes note of it, a process is still listed.
SIGKILL_SECONDS = 10.0


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

    def datamill(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of the user's, to its end."""
        environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
        return subprocess.run(
            [sys.executable, "-c", "from datamill_infra.cli import main; main()", *arguments],
            capture_output=True,
            text=True,
            env=environment | {"DATAMILL_HOME": str(self.home)},
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def read(self, *arguments: str) -> Any:  # noqa: ANN401  JSON
        """What a command that reads prints with ``--json``, whatever its exit code."""
        done = self.datamill(*arguments, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def run(self, job: str, *options: str) -> dict[str, Any]:
        """Run a pipeline job, which must succeed.

        Returns:
            Its report.
        """
        done = self.datamill("run", job, *options, "--json")
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    @property
    def connections(self) -> PlatformConnections:
        """As assets see them."""
        return PlatformConnections(home=str(self.home))

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


@contextlib.contextmanager
def running(deployment: Deployment) -> Iterator[dict[str, Outcome]]:
    """A deployment that is up and healthy, and is taken down with its data afterwards.

    Yields:
        How bringing it up ended, by component.
    """
    rollout = Rollout(deployment)
    try:
        with writer_lock(deployment, HOLDER):
            outcomes = rollout.up()
        failed = [f"{name}: {outcome.message}" for name, outcome in outcomes.items() if not outcome.succeeded]
        assert not failed, "\n".join(failed)
        yield outcomes
    finally:
        try:
            # Whoever clears the directory for temporary files may have taken away what taking down needs.
            if deployment.deployment_file.exists():
                with writer_lock(deployment, HOLDER):
                    Rollout(deployment).down(delete_data=True)
        finally:
            left = end_servers(deployment.home)
        assert not left, f"servers outlived {deployment.home} and were killed: {left}"


def end_servers(home: Path) -> list[str]:
    """SIGKILL the supervisor of a deployment and all below it, found without the deployment's files.

    Returns:
        The command lines of the processes that had to be killed.
    """
    configuration = str(home.absolute() / "run" / "supervisord.conf")
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["cmdline"]):
        if configuration in (process.info["cmdline"] or ()):
            found += [process, *process.children(recursive=True)]
    killed = []
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            killed.append(" ".join(process.cmdline()))
            process.kill()
    psutil.wait_procs(found, timeout=SIGKILL_SECONDS)
    return killed
