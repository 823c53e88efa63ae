"""What the providers that call a tool have in common."""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from datamill_infra.clusters.commands import ClusterError, Commands, RealCommands
from datamill_infra.clusters.provider import Check, ClusterProvider, ClusterStatus, checked_name, quiet

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
    """

    install: ClassVar[str]
    """How a user gets the tool, an imperative sentence."""

    def __init__(self, commands: Commands | None = None) -> None:
        self._commands = commands or RealCommands()

    def create(self, name: str, *, notify: Callable[[str], None] = quiet) -> ClusterStatus:
        """Call the tool unless the cluster exists."""
        status = self.status(checked_name(name))
        if status.state != "ready":
            notify(f"{self.kind} makes the cluster {name}.")
            self._create(name, exists=status.state != "absent")
        return self.status(name)

    def delete(self, name: str, *, notify: Callable[[str], None] = quiet) -> None:
        """Call the tool if the cluster exists."""
        if self.status(checked_name(name)).state != "absent":
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
        if self._commands.find(self.kind) is None:
            raise ClusterError(f"There is no `{self.kind}` on the search path.", instruction=self.install)
        environment = None if kubeconfig is None else {**os.environ, "KUBECONFIG": str(kubeconfig)}
        return self._commands.run(
            [self.kind, *argv],
            seconds=seconds,
            environment=environment,
            instruction=f"See what {self.kind} says above; `{self.kind} --help` knows more.",
        )

    def _status(self, name: str, *, found: bool, ready: bool, answer: str) -> ClusterStatus:
        if not found:
            return ClusterStatus(self.kind, name, "absent", self.context(name))
        check = Check(self.kind, passed=ready, answer=answer)
        return ClusterStatus(self.kind, name, "ready" if ready else "stopped", self.context(name), (check,))


def loaded(archive: Path) -> Sequence[str]:
    """What a tool that prints no references was given."""
    return [archive.name]
