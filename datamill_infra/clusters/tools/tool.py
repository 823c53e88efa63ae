"""What the providers that call a tool have in common."""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from datamill_infra.clusters.commands import ClusterError, Commands, RealCommands
from datamill_infra.clusters.place import NOWHERE, Place
from datamill_infra.clusters.provider import Check, ClusterProvider, ClusterStatus, checked_name, quiet
from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

# Node images are pulled when a cluster is made for the first time.
CREATE_SECONDS = 900.0
ASK_SECONDS = 60.0
LOAD_SECONDS = 600.0


class ToolProvider(ClusterProvider):
    """A provider whose tool knows everything about its clusters; nothing is remembered here.

    Args:
        commands: the door to programs.
        place: where its clusters are.

    Raises:
        ConfigurationError: the place says less than this provider needs, or what it cannot use.
    """

    program: ClassVar[str] = ""
    """Of the tool; the kind, when they are called the same."""

    install: ClassVar[str]
    """How a user gets the tool, an imperative sentence."""

    needs: ClassVar[tuple[str, ...]] = ()
    """What a place must say."""

    def __init__(self, commands: Commands | None = None, place: Place = NOWHERE) -> None:
        self._commands = commands or RealCommands()
        self.place = place
        check_place(self.kind, self.needs, place)

    def checked(self, name: str) -> str:
        """``name``, when a cluster may have it.

        Raises:
            ConfigurationError: it may not.
        """
        return checked_name(name)

    def create(self, name: str, *, notify: Callable[[str], None] = quiet) -> ClusterStatus:
        """Call the tool unless the cluster exists."""
        status = self.status(self.checked(name))
        if status.state != "ready":
            notify(f"{self.kind} makes the cluster {name}.")
            self._create(name, exists=status.state != "absent")
        return self.status(name)

    def delete(self, name: str, *, notify: Callable[[str], None] = quiet) -> None:
        """Call the tool if the cluster exists."""
        if self.status(self.checked(name)).state != "absent":
            notify(f"{self.kind} removes the cluster {name}.")
            self._delete(name)

    @abstractmethod
    def _create(self, name: str, *, exists: bool) -> None:
        """Make the cluster, or start the one that exists, and wait."""

    @abstractmethod
    def _delete(self, name: str) -> None:
        """Remove the cluster, which exists."""

    def _run(self, *argv: str, seconds: float = ASK_SECONDS, kubeconfig: Path | None = None) -> str:
        """Run the tool.

        Args:
            argv: its arguments.
            seconds: the budget.
            kubeconfig: the only kubeconfig file that it may write; the user's own is never touched.

        Raises:
            ClusterError: it is not here, or it failed.
        """
        program = self.program or self.kind
        if self._commands.find(program) is None:
            raise ClusterError(f"There is no `{program}` on the search path.", instruction=self.install)
        environment = None if kubeconfig is None else {**os.environ, "KUBECONFIG": str(kubeconfig)}
        return self._commands.run(
            [program, *argv],
            seconds=seconds,
            environment=environment,
            instruction=f"See what {program} says above; `{program} --help` knows more.",
        )

    def _status(self, name: str, *, found: bool, ready: bool, answer: str) -> ClusterStatus:
        if not found:
            return ClusterStatus(self.kind, name, "absent", self.context(name))
        check = Check(self.kind, passed=ready, answer=answer)
        return ClusterStatus(self.kind, name, "ready" if ready else "stopped", self.context(name), (check,))


def check_place(kind: str, needs: Sequence[str], place: Place) -> None:
    """Refuse a place that says less than a provider needs, or more than it can use.

    Raises:
        ConfigurationError: it does.
    """
    if missing := [name for name in needs if name not in place.said]:
        raise ConfigurationError(
            f"A cluster of {kind} is not named by its name alone: {', '.join(missing)} is missing.",
            instruction=f"Add {' and '.join(f'--{name}' for name in missing)}; no default of the tool is ever used.",
        )
    if useless := sorted(place.said - set(needs)):
        raise ConfigurationError(
            f"Clusters of {kind} have no {' and no '.join(useless)}.",
            instruction=f"Leave out {' and '.join(f'--{name}' for name in useless)}.",
        )


def loaded(archive: Path) -> Sequence[str]:
    """What a tool that prints no references was given."""
    return [archive.name]
