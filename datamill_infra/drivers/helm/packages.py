"""What Helm is given for a release: a chart's folder or archive, on disk for as long as Helm needs it."""

from __future__ import annotations

import json
import tarfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from datamill_infra.drivers.helm.charts import stage
from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from datamill_infra.kubernetes.objects import Object


class Package(ABC):
    """One chart."""

    name: str
    """Of the chart."""

    @abstractmethod
    def stage(self, into: Path) -> Path:
        """What Helm takes as the chart.

        Args:
            into: an existing directory, for whatever has to be written.
        """

    @abstractmethod
    def version(self, staged: Path) -> str:
        """The version that the chart itself says it has."""


@dataclass(frozen=True)
class OwnChart(Package):
    """A chart of this project: the library chart is joined in.

    Attributes:
        folder: of all charts.
        name: of this one.
    """

    folder: Path
    name: str

    def stage(self, into: Path) -> Path:
        """See :meth:`Package.stage`."""
        return stage(self.folder, self.name, into)

    def version(self, staged: Path) -> str:
        """See :meth:`Package.version`."""
        return _version((staged / "Chart.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class FolderChart(Package):
    """A chart in a component's own folder.

    Attributes:
        folder: of the chart.
    """

    folder: Path

    @property
    def name(self) -> str:  # type: ignore[override]  # computed here
        """The folder's name."""
        return self.folder.name

    def stage(self, into: Path) -> Path:
        """See :meth:`Package.stage`."""
        del into
        if not (self.folder / "Chart.yaml").is_file():
            raise ConfigurationError(
                f"{self.folder} is no chart: it has no Chart.yaml.", instruction="Correct `source: local:...`."
            )
        return self.folder

    def version(self, staged: Path) -> str:
        """See :meth:`Package.version`."""
        return _version((staged / "Chart.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class ArchiveChart(Package):
    """A packaged chart.

    Attributes:
        name: of the chart.
        archive: in the cache.
    """

    name: str
    archive: Path

    def stage(self, into: Path) -> Path:
        """See :meth:`Package.stage`."""
        del into
        return self.archive

    def version(self, staged: Path) -> str:
        """See :meth:`Package.version`."""
        with tarfile.open(staged) as opened:
            members = [name for name in opened.getnames() if name.count("/") == 1 and name.endswith("/Chart.yaml")]
            content = opened.extractfile(members[0]) if members else None
            if content is None:
                raise ConfigurationError(f"{staged} is no packaged chart.", instruction="Correct the unit's digest.")
            return _version(content.read().decode())


@dataclass(frozen=True)
class Wrapped(Package):
    """Objects that come from no chart: a chart with nothing but them, so that a release is kept of them too.

    Attributes:
        name: of the release.
        said: its version.
        objects: as they are to be; Helm's templates never see them.
    """

    name: str
    said: str
    objects: tuple[Object, ...]

    def stage(self, into: Path) -> Path:
        """See :meth:`Package.stage`."""
        chart = into / self.name
        (chart / "templates").mkdir(parents=True)
        described = {"apiVersion": "v2", "name": self.name, "version": self.said}
        (chart / "Chart.yaml").write_text(json.dumps(described), encoding="utf-8")
        text = "\n---\n".join(json.dumps(item) for item in self.objects)
        (chart / "objects.yaml").write_text(text, encoding="utf-8")
        (chart / "templates" / "objects.yaml").write_text('{{ .Files.Get "objects.yaml" }}\n', encoding="utf-8")
        return chart

    def version(self, staged: Path) -> str:
        """See :meth:`Package.version`."""
        del staged
        return self.said


def _version(text: str) -> str:
    return str(yaml.safe_load(text)["version"])
