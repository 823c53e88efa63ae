"""The model server's repository: directories that survive its restarts.

``<root>/<model>/<version>/model-settings.json`` beside the model's file. A version appears as a whole (written beside,
then renamed) and goes only after its successor has been loaded.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamill_pipelines.serving.errors import ServingError

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNTIME = "datamill_pipelines.serving.runtime.TabularClassifier"
SETTINGS = "model-settings.json"


def version_settings(name: str, version: str, model_file: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """What MLServer is told about a version: ``model-settings.json``."""
    parameters = {"uri": f"./{model_file}", "version": version, "extra": dict(extra)}
    return {"name": name, "implementation": RUNTIME, "parameters": parameters}


class ModelRepository:
    """A directory of models.

    Args:
        root: the connection's ``model_repository``.

    Raises:
        ServingError: ``root`` is not a directory on this machine.
    """

    def __init__(self, root: str) -> None:
        if "://" in root:
            raise ServingError(
                f"The model repository {root} is not a directory of this machine.",
                instruction="Give the inference component a model_repository that pipelines and server both see.",
            )
        self._root = Path(root)

    def versions(self, name: str) -> list[str]:
        """The versions of a model that are in the repository."""
        return sorted(path.parent.name for path in (self._root / name).glob(f"*/{SETTINGS}"))

    def settings(self, name: str, version: str) -> dict[str, Any]:
        """What was written beside a version; empty if there is no such version."""
        file = self._root / name / version / SETTINGS
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}

    def add(self, name: str, version: str, model_file: Path, extra: Mapping[str, Any]) -> None:
        """Put a version in, whole or not at all; one that is there with the same settings is left as it is.

        Args:
            name: of the model.
            version: of the model.
            model_file: copied in.
            extra: what the runtime needs to know: classes to trust, features.
        """
        target = self._root / name / version
        settings = version_settings(name, version, model_file.name, extra)
        if self.settings(name, version) == settings:
            return
        # A dot keeps a half-written version out of the server's sight only if it has no settings yet: they come last.
        staging = self._root / name / f".{version}.{os.getpid()}"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        shutil.copyfile(model_file, staging / model_file.name)
        if target.exists():
            shutil.rmtree(target)
        staging.rename(target)
        part = target / f"{SETTINGS}.part"
        part.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        part.rename(target / SETTINGS)

    def remove(self, name: str, version: str) -> None:
        """Take a version out."""
        shutil.rmtree(self._root / name / version, ignore_errors=True)
