"""The one door to supervisord, which keeps the servers of one deployment running.

What lives here: starting supervisord so that it outlives whoever started it, telling it which programs exist, asking it
how they are. What does not: what a program is (:mod:`.program`), the last instructions before its exec (:mod:`.launch`)
and what supervisord's journal says about the past (:mod:`.journal`).

Each component is one group, one file in ``run/programs/``. The files are the truth: when supervisord was killed, the
next :meth:`Supervisor.ensure` starts another one, which starts every program it finds there. Changing anything is
therefore: stop, write, start.

supervisord runs in ``run/`` and its configuration has only relative paths: those of users contain spaces, percent signs
and brackets, which it would expand. The Unix socket is bound as ``/proc/self/cwd/supervisor.sock`` and connected as
``/proc/self/fd/N/supervisor.sock``: its address may have 107 bytes, and the deployment's directory may be deeper.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from datamill_infra.drivers.embedded import launch
from datamill_infra.drivers.files import state_error, write_private
from datamill_infra.model.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from datamill_infra.drivers.embedded.program import Program

SOCKET = "supervisor.sock"
# supervisord answers in a millisecond; its start takes 0.2 s, on a machine that starts ten servers at once a few.
ANSWER_SECONDS, START_SECONDS = 10.0, 20.0
# Longer than any program may take to stop before it is killed.
STOP_SECONDS = 120.0
# Faults of supervisord.
BAD_NAME, ALREADY_ADDED, STILL_RUNNING = 10, 90, 91

LAUNCH = """\
#!/bin/sh
exec {python} -I -S {launch} "$1"
"""

CONFIGURATION = """\
; Written by Data Mill. Changes are overwritten.
[supervisord]
nodaemon=true
silent=true
user={user}
pidfile=supervisord.pid
logfile=../log/supervisord.log
logfile_maxbytes=1MB
logfile_backups=3
childlogdir=.

[unix_http_server]
file=/proc/self/cwd/supervisor.sock
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[include]
files=/proc/self/cwd/programs/*.conf
"""

# startsecs=0: a program that was forked is RUNNING. Health is a protocol round trip and not supervisord's business, and
# with any other value a program killed in its first moments backs off and at last is given up as FATAL.
PROGRAM = """\
[program:{name}]
command=./launch programs/{component}/{name}.json
autostart=true
autorestart=true
startsecs=0
stopsignal={signal}
stopwaitsecs={seconds}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile=../log/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""


@dataclass(frozen=True)
class ProcessState:
    """What supervisord says about one program.

    Attributes:
        component: the group.
        program: its name.
        state: supervisord's word: ``RUNNING``, ``STOPPED``, ``EXITED``, ``STARTING``, ``STOPPING``, ``BACKOFF``,
            ``FATAL``.
        pid: ``0`` when there is no process.
        since: seconds since the epoch of the last start.
    """

    component: str
    program: str
    state: str
    pid: int
    since: float


class SupervisorError(PlatformError):
    """supervisord could not be started, or does not answer."""


class Supervisor:
    """supervisord of one deployment.

    Args:
        home: the deployment's directory.
    """

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.run = self.home / "run"
        self.logs = self.home / "log"
        self.pid_file = self.run / "supervisord.pid"
        self.journal_file = self.logs / "supervisord.log"

    def pid(self) -> int | None:
        """The process id of a supervisord that answers, or ``None``.

        Raises:
            SupervisorError: something listens on the socket and does not answer.
        """
        try:
            with self._connection() as server:
                answer: Any = server.supervisor.getPID()
                return int(answer)
        except (FileNotFoundError, ConnectionRefusedError):
            return None

    def ensure(self) -> bool:
        """Have supervisord running, with every program that has a file.

        Returns:
            Whether it had to be started.

        Raises:
            SupervisorError: it could not be started.
        """
        if self.pid() is not None:
            return False
        self._make(self.run)
        with FileLock(self.run / "starting.lock", timeout=START_SECONDS):
            if self.pid() is not None:
                return False
            self._start()
        return True

    def _start(self) -> None:
        self._make(self.run / "programs")
        self._make(self.logs)
        launcher = LAUNCH.format(python=shlex.quote(sys.executable), launch=shlex.quote(launch.__file__))
        write_private(self.run / "launch", launcher, mode=0o700)
        write_private(self.run / "supervisord.conf", CONFIGURATION.format(user=os.getuid()))
        # -I: neither the caller's directory nor its PYTHONPATH.
        command = [sys.executable, "-I", "-m", "supervisor.supervisord", "-n", "-c", str(self.run / "supervisord.conf")]
        # A session of its own, and no parent but init: it survives the terminal, Ctrl-C, a killed process group, and
        # whoever ends a run by ending its descendants. The environment is small: whose shell it was must not matter.
        started = subprocess.run(
            ["/bin/sh", "-c", '"$@" </dev/null >/dev/null 2>&1 & echo $!', "sh", *command],
            cwd=self.run,
            env={"PATH": os.defpath, "HOME": str(Path.home()), "TZ": "UTC", "LANG": "C.UTF-8"},
            stdout=subprocess.PIPE,
            start_new_session=True,
            umask=0o077,
            timeout=START_SECONDS,
            check=True,
        )
        pid = int(started.stdout)
        deadline = time.monotonic() + START_SECONDS
        while self.pid() != pid:
            ended = not _alive(pid)
            if ended or time.monotonic() > deadline:
                raise SupervisorError(
                    f"supervisord {'ended at once' if ended else f'did not answer for {START_SECONDS:g} s'}.",
                    instruction=f"Read {self.journal_file}, or run it in the foreground:"
                    f" cd {shlex.quote(str(self.run))} && {shlex.join(command)}",
                )
            time.sleep(0.02)

    def _make(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise state_error(directory, error) from error

    def put(self, component: str, programs: Sequence[Program], environment: Mapping[str, str]) -> None:
        """Make ``programs`` all that runs for ``component``; those that run are stopped first.

        Args:
            component: the group's name.
            programs: what to run.
            environment: of every program; its own is added.

        Raises:
            StateError: a file could not be written.
            SupervisorError: supervisord could not be started, or does not answer.
        """
        self.drop(component)
        files = self._files(component, programs, environment)
        self._make(self._folder(component))
        for path, text in files.items():
            write_private(path, text)
        if not self.ensure():
            with self._connection() as server:
                server.supervisor.reloadConfig()
                _faulty(lambda: server.supervisor.addProcessGroup(component), ALREADY_ADDED)

    def drop(self, component: str) -> None:
        """Stop everything of ``component`` and forget it. Nothing to do is no error."""
        folder = self._folder(component)
        with contextlib.suppress(FileNotFoundError):
            folder.with_suffix(".conf").unlink()
        if self.pid() is not None:
            self._stop_group(component)
        for program in self.programs(component):
            _, left = launch.sweep(self.mark(component, program))
            if left:
                raise SupervisorError(
                    f"Processes {left} of {program} survive SIGKILL: they wait for a device.",
                    instruction="Look at the disk and at `dmesg`; then run the command again.",
                )
        shutil.rmtree(folder, ignore_errors=True)

    def _stop_group(self, component: str) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        with self._connection() as server:
            while True:
                # Not waiting in the call: supervisord answers it at its next tick, up to a second late.
                _faulty(lambda: server.supervisor.stopProcessGroup(component, False), BAD_NAME)
                # supervisord kills what does not stop within the program's own stop_seconds.
                while any(process.pid for process in self.processes() if process.component == component):
                    _within(deadline, f"{component} has not stopped")
                # One that had just ended by itself may have been started again meanwhile.
                if (
                    _faulty(lambda: server.supervisor.removeProcessGroup(component), BAD_NAME, STILL_RUNNING)
                    != STILL_RUNNING
                ):
                    break

    def processes(self) -> list[ProcessState]:
        """How every program is; empty when supervisord does not run."""
        try:
            with self._connection() as server:
                answers: Any = server.supervisor.getAllProcessInfo()
        except (FileNotFoundError, ConnectionRefusedError):
            return []
        return [ProcessState(a["group"], a["name"], a["statename"], int(a["pid"]), float(a["start"])) for a in answers]

    def components(self) -> list[str]:
        """The components that have been put and not dropped, running or not."""
        return sorted(file.stem for file in (self.run / "programs").glob("*.conf"))

    def programs(self, component: str) -> list[str]:
        """The programs of a component that has been put."""
        return sorted(file.stem for file in self._folder(component).glob("*.json"))

    def outdated(self, component: str, programs: Sequence[Program], environment: Mapping[str, str]) -> list[str]:
        """The programs that :meth:`put` with these arguments would start differently than they were started."""
        files = self._files(component, programs, environment)
        wrong = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
        gone = set(self.programs(component)) - {program.name for program in programs}
        return sorted({component if path.suffix == ".conf" else path.stem for path in wrong} | gone)

    def shutdown(self) -> None:
        """Stop everything, then supervisord. Nothing to do is no error."""
        pid = self.pid()
        if pid is None:
            return
        with self._connection() as server, contextlib.suppress(ConnectionError, http.client.HTTPException):
            server.supervisor.shutdown()
        deadline = time.monotonic() + STOP_SECONDS
        while _alive(pid):
            _within(deadline, "supervisord has not ended")

    def mark(self, component: str, program: str) -> str:
        """What every process of a program carries in its environment."""
        return f"{self.home}#{component}/{program}"

    def _folder(self, component: str) -> Path:
        return self.run / "programs" / component

    def _files(self, component: str, programs: Sequence[Program], environment: Mapping[str, str]) -> dict[Path, str]:
        """What describes a component to supervisord and to the launcher; nothing for one without programs."""
        if not programs:
            return {}
        folder = self._folder(component)
        specs = {
            folder / f"{program.name}.json": json.dumps(self._spec(component, program, environment), indent=2)
            for program in programs
        }
        # The group last: supervisord reads it, and then everything it speaks of is there.
        return {**specs, folder.with_suffix(".conf"): self._sections(component, programs)}

    def _spec(self, component: str, program: Program, environment: Mapping[str, str]) -> dict[str, object]:
        mark = {launch.MARK: self.mark(component, program.name)}
        return {
            "argv": program.argv,
            "environment": {**environment, **program.environment, **mark},
            "directory": str(program.directory or self.home / "components" / component / "data"),
            "supervisor_pid_file": str(self.pid_file),
            "starts_file": str(self._folder(component) / f"{program.name}.starts"),
        }

    def _sections(self, component: str, programs: Sequence[Program]) -> str:
        names = ",".join(program.name for program in programs)
        group = f"[group:{component}]\nprograms={names}\n"
        sections = [
            PROGRAM.format(
                component=component,
                name=program.name,
                signal=program.stop_signal,
                seconds=max(1, round(program.stop_seconds)),
            )
            for program in programs
        ]
        return "\n".join([group, *sections])

    @contextlib.contextmanager
    def _connection(self, timeout: float = ANSWER_SECONDS) -> Iterator[xmlrpc.client.ServerProxy]:
        directory = os.open(self.run, os.O_PATH | os.O_DIRECTORY)
        try:
            transport = _UnixTransport(f"/proc/self/fd/{directory}/{SOCKET}", timeout)
            with xmlrpc.client.ServerProxy("http://supervisor", transport=transport) as server:
                yield server
        except TimeoutError as error:
            raise SupervisorError(
                f"supervisord ({self.run}) has not answered for {timeout:g} s.",
                instruction=f"Look at process {self.pid_file.read_text().strip()}: is it stopped, or the machine"
                " overloaded? Killing it is safe: the next `datamill up` brings everything back.",
            ) from error
        finally:
            os.close(directory)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost")
        self._path, self._timeout = path, timeout

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._timeout)
        self.sock.connect(self._path)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__()
        self._unix = _UnixConnection(path, timeout)

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ANN401
        self._connection = host, self._unix  # what close() closes, and forgets after each error
        return self._unix


def _faulty(call: Callable[[], object], *expected: int) -> int | None:
    """Make a call; the code of an expected fault, or ``None``."""
    try:
        call()
    except xmlrpc.client.Fault as fault:
        if fault.faultCode not in expected:
            raise
        return fault.faultCode
    return None


def _within(deadline: float, what: str) -> None:
    """Sleep a moment, unless the time is over."""
    if time.monotonic() > deadline:
        raise SupervisorError(
            f"{what} for {STOP_SECONDS:g} s, although it was killed.",
            instruction="A process that waits for a device cannot be killed: look at the disk and at `dmesg`.",
        )
    time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return re.sub(r".*\) ", "", state, count=1)[0] not in "ZX"
