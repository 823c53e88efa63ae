"""The door to Helm."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from datamill_infra.model.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from datamill_infra.kubernetes.objects import Object


class HelmError(PlatformError):
    """Helm did not do what it was asked to."""


class HelmMissingError(PlatformError):
    """There is no usable ``helm`` on this machine."""


class Helm(ABC):
    """What we ask Helm to do. Methods are called from several threads; values come as files, never as arguments."""

    @abstractmethod
    def template(self, release: str, namespace: str, chart: Path, values: Sequence[Path]) -> list[Object]:
        """Render a chart, without any cluster.

        Args:
            release: name of the release.
            namespace: where it goes.
            chart: a folder with its dependencies in it.
            values: files, later ones win.

        Returns:
            The objects in the chart's order, hooks and tests left out.

        Raises:
            HelmError: the chart or the values are wrong.
            HelmMissingError: there is no ``helm``.
        """

    @abstractmethod
    def definitions(self, chart: Path) -> list[Object]:
        """The custom resource definitions that a chart brings beside its templates, without any cluster.

        Raises:
            HelmError: the chart is wrong.
            HelmMissingError: there is no ``helm``.
        """

    @abstractmethod
    def pull(self, source: str, chart: str | None, version: str, into: Path) -> Path:
        """Fetch a packaged chart.

        Args:
            source: ``oci://...`` with the chart, or the address of a repository.
            chart: its name in the repository; ``None`` with ``oci://``.
            version: exact.
            into: an empty directory.

        Returns:
            The archive in it.

        Raises:
            HelmError: there is no such chart, or the registry cannot be reached.
            HelmMissingError: there is no ``helm``.
        """

    @abstractmethod
    def upgrade(
        self,
        context: str,
        release: str,
        namespace: str,
        chart: Path,
        values: Sequence[Path],
        labels: Mapping[str, str],
    ) -> None:
        """Install or upgrade a release, taking back fields that others changed; does not wait for anything.

        Args:
            context: of the kubeconfig.
            release: name of the release.
            namespace: it exists.
            chart: a folder with its dependencies in it.
            values: files, later ones win.
            labels: of Helm's record of the revision.

        Raises:
            HelmError: Helm or the API server refused.
            HelmMissingError: there is no ``helm``.
        """

    @abstractmethod
    def rollback(self, context: str, release: str, namespace: str, revision: int) -> None:
        """Apply what an earlier revision had, as a new revision with its labels; does not wait for anything.

        Raises:
            HelmError: Helm or the API server refused.
            HelmMissingError: there is no ``helm``.
        """

    @abstractmethod
    def uninstall(self, context: str, release: str, namespace: str) -> None:
        """Remove a release; nothing there is no error.

        Raises:
            HelmError: Helm or the API server refused.
            HelmMissingError: there is no ``helm``.
        """
