"""What every provider of clusters can do."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

State = Literal["absent", "stopped", "unready", "ready"]
"""``absent``: nothing of it is there. ``stopped``: it exists, its servers do not run. ``unready``: a check fails."""

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")


def quiet(_: str) -> None:
    """Listen to nothing."""


@dataclass(frozen=True)
class Check:
    """One thing that was asked of a running cluster.

    Attributes:
        subject: what was asked, e.g. ``"node lab-shared"``.
        passed: whether the answer was right.
        answer: the answer, in words.
    """

    subject: str
    passed: bool
    answer: str


@dataclass(frozen=True)
class ClusterStatus:
    """What was seen of a cluster.

    Attributes:
        provider: e.g. ``"lab"``.
        name: of the cluster.
        state: see :data:`State`.
        context: the name that kubeconfig files give it.
        checks: what was asked, in order.
    """

    provider: str
    name: str
    state: State
    context: str
    checks: tuple[Check, ...] = ()


class ClusterProvider(ABC):
    """Makes clusters of one kind.

    Every method takes the cluster's name: no provider has a current cluster.
    """

    kind: ClassVar[str]
    """As in ``--provider``."""

    @abstractmethod
    def context(self, name: str) -> str:
        """The name of the context in the kubeconfig of this cluster."""

    @abstractmethod
    def create(self, name: str, *, notify: Callable[[str], None] = quiet) -> ClusterStatus:
        """Make a cluster and wait until it is ready; of one that exists, start what does not run.

        Args:
            name: lower-case letters, digits and dashes, at most 30.
            notify: receives one sentence per step.

        Raises:
            ClusterError: something is missing, or it does not become ready.
        """

    @abstractmethod
    def delete(self, name: str, *, notify: Callable[[str], None] = quiet) -> None:
        """Remove a cluster with everything in it; one that does not exist is no error."""

    @abstractmethod
    def status(self, name: str) -> ClusterStatus:
        """Ask the cluster how it is."""

    @abstractmethod
    def load_image(self, name: str, archive: Path) -> Sequence[str]:
        """Give an image to every node.

        Args:
            name: the cluster.
            archive: a tar file as ``docker save`` or ``buildah push ... docker-archive:`` write it.

        Returns:
            The references under which the nodes know what was loaded.
        """

    @abstractmethod
    def kubeconfig(self, name: str) -> str:
        """A kubeconfig file with this cluster, its administrator and one context, as text. It is a secret."""


def checked_name(name: str) -> str:
    """``name``, when a cluster may have it.

    Raises:
        ConfigurationError: it may not.
    """
    if NAME.fullmatch(name) is None:
        raise ConfigurationError(
            f"{name!r} cannot be the name of a cluster.",
            instruction="Use lower-case letters, digits and dashes, at most 30, with a letter or digit at both ends.",
        )
    return name
