"""The processes behind ``datamill ui``: two code servers, the web server, the daemon.

Both the web server and the daemon would start code servers of their own from ``workspace.yaml``; sharing one per
location halves memory and start-up time. They talk over Unix sockets in a directory that only this user can enter,
because whoever reaches a code server can run code in it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 20.0
"""Dagster's services finish what they are writing; longer than this is taken for a hang."""


def _end_with_parent() -> None:
    """In the child, before exec: ask the kernel for SIGTERM when the starting thread ends, however it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Service:
    """One process with a log of its own.

    Attributes:
        name: for messages.
        argv: what to run.
        log: where its output goes, appended.
        environment: in full.
    """

    name: str
    argv: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it in a session of its own: Ctrl-C reaches us alone, and we stop it in order."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                list(self.argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(self.environment),
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509  prctl is safe between fork and exec
            )

    @property
    def ended(self) -> int | None:
        """Its exit code, or ``None`` while it runs."""
        return self.process.poll() if self.process else None

    def stop(self) -> None:
        """Ask it to end; kill its whole session when it does not."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        with contextlib.suppress(FileNotFoundError):
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        return ""


@contextlib.contextmanager
def running(services: Sequence[Service]) -> Iterator[None]:
    """Start services, and stop them all at once."""
    try:
        for service in services:
            service.start()
        yield
    finally:
        with ThreadPoolExecutor(max(1, len(services)), thread_name_prefix="stop") as pool:
            list(pool.map(Service.stop, services))


@dataclass(frozen=True)
class Location:
    """One code location of ``workspace.yaml``."""

    name: str
    module: str


def locations(workspace: Path) -> list[Location]:
    """The code locations that a workspace file names.

    Raises:
        ConfigurationError: an entry is not a ``python_module``.
    """
    entries = yaml.safe_load(workspace.read_text(encoding="utf-8"))["load_from"]
    found = []
    for entry in entries:
        module = entry.get("python_module")
        if not isinstance(module, dict) or "module_name" not in module:
            raise ConfigurationError(
                f"{workspace}: `datamill ui` serves entries of the form `python_module: {{module_name: ...}}` only.",
                instruction="Change the entry, or start dagster-webserver and dagster-daemon yourself.",
            )
        found.append(Location(str(module.get("location_name", module["module_name"])), str(module["module_name"])))
    return found


def code_servers(
    workspace: Path, sockets: Path, logs: Path, environment: Mapping[str, str]
) -> tuple[list[Service], Path]:
    """A code server per location, and the workspace file by which Dagster's services find them.

    Args:
        workspace: names the locations.
        sockets: a short path, as Unix sockets allow 108 bytes.
        logs: directory.
        environment: of the servers.
    """
    services, entries = [], []
    for location in locations(workspace):
        socket = sockets / f"{location.name}.sock"
        argv = [sys.executable, "-m", "dagster", "code-server", "start", "--socket", str(socket)]
        argv += ["--module-name", location.module, "--location-name", location.name, "--log-level", "warning"]
        argv += ["--use-python-environment-entry-point", "--inject-env-vars-from-instance"]
        services.append(Service(location.name, argv, logs / f"ui-{location.name}.log", environment))
        entries.append({"grpc_server": {"socket": str(socket), "location_name": location.name}})
    shared = sockets / "workspace.yaml"
    shared.write_text(yaml.safe_dump({"load_from": entries}), encoding="utf-8")
    return services, shared


@contextlib.contextmanager
def socket_directory() -> Iterator[Path]:
    """A directory that only this user can enter, with a short path."""
    with tempfile.TemporaryDirectory(prefix="datamill-ui-") as directory:
        yield Path(directory)


def wait_for_sockets(services: Sequence[Service], sockets: Path, budget: float) -> None:
    """Return when every code server listens.

    Raises:
        ConfigurationError: one ended; its last lines say why, usually a mistake in a definitions file.
        TimeoutError: the budget was used up.
    """
    deadline = time.monotonic() + budget
    for service in services:
        while not (sockets / f"{service.name}.sock").exists():
            if service.ended is not None:
                raise ConfigurationError(
                    f"The code location {service.name} could not be loaded:\n{service.tail()}",
                    instruction=f"Correct it. The whole log is {service.log}.",
                )
            if time.monotonic() > deadline:
                raise TimeoutError(f"The code server of {service.name} did not listen within {budget:.0f} s.")
            time.sleep(0.1)
