"""The version of a model that may serve: the one with the registry's alias ``champion``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamill_pipelines.serving.errors import NoChampionError

if TYPE_CHECKING:
    from collections.abc import Mapping

ALIAS = "champion"
MODEL_FILE_KEYS = ("pickled_model", "model_path")


@dataclass(frozen=True)
class Champion:
    """A registered version.

    Attributes:
        name: of the model.
        version: of the model.
        tags: what training recorded on it: commits, run, code version.
        url: of the registry.
    """

    name: str
    version: str
    tags: Mapping[str, str] = field(default_factory=dict)
    url: str = ""

    def download(self, directory: Path) -> tuple[Path, list[str]]:
        """Fetch the model's file.

        Args:
            directory: where to.

        Returns:
            The file, and the classes that reading it may trust.
        """
        import mlflow  # noqa: PLC0415  (slow to import, and most processes only look at definitions)
        import yaml  # noqa: PLC0415

        mlflow.set_tracking_uri(self.url)
        source = mlflow.artifacts.download_artifacts(f"models:/{self.name}/{self.version}", dst_path=str(directory))
        described = yaml.safe_load((Path(source) / "MLmodel").read_text(encoding="utf-8"))
        flavour: dict[str, Any] = described["flavors"]["sklearn"]
        file = next(flavour[key] for key in MODEL_FILE_KEYS if key in flavour)
        return Path(source) / file, list(flavour.get("skops_trusted_types") or [])


def champion(url: str, name: str) -> Champion:
    """Ask the registry.

    Args:
        url: of the tracking server.
        name: of the model.

    Raises:
        NoChampionError: no version has the alias.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  (see above)
    from mlflow.tracking import MlflowClient  # noqa: PLC0415

    try:
        version = MlflowClient(url, url).get_model_version_by_alias(name, ALIAS)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise NoChampionError(
            f"The registry at {url} has no {ALIAS} of {name}.",
            instruction="Train one with `datamill run train`; the gate's report says why a version did not pass.",
        ) from error
    return Champion(name, str(version.version), dict(version.tags), url)
