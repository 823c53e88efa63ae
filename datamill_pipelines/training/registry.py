"""The model registry: versions, what is recorded on them, and the alias of the champion.

What a version was made from is in its tags, and nowhere else is it asked: ``datamill lineage`` follows them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datamill_infra.model.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALIAS = "champion"
PREFIX = "datamill."


@dataclass(frozen=True)
class ModelVersion:
    """One registered version, and what made it.

    Attributes:
        name: of the model.
        version: of the model.
        champion: whether the alias is on it.
        features: ``repo@commit`` of its features.
        raw: ``repo@commit`` of each raw dataset behind the features.
        run_id: Dagster run.
        tracking_run_id: MLflow run.
        code_version: of the code.
        training_key: equal for equal features, code and configuration.
        gate: name, value, threshold and verdict of each criterion.
        metrics: of the tracked run.
    """

    name: str
    version: str
    champion: bool
    features: str
    raw: Sequence[str]
    run_id: str
    tracking_run_id: str
    code_version: str
    training_key: str
    gate: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, float]


class Registry:
    """The registry behind a tracking server.

    Args:
        url: of the tracking server.
    """

    def __init__(self, url: str) -> None:
        from mlflow.tracking import MlflowClient  # noqa: PLC0415  (slow to import)

        self._client = MlflowClient(url, url)

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions of a model, oldest first; none if there is no such model."""
        found = self._client.search_model_versions(f"name = '{name}'")
        champion = self.champion_version(name)
        return [self._read(item, champion) for item in sorted(found, key=lambda item: int(item.version))]

    def version(self, name: str, version: str) -> ModelVersion:
        """One version; ``champion`` stands for the one with the alias.

        Raises:
            UnknownNameError: there is none.
        """
        wanted = self.champion_version(name) if version == ALIAS else version
        known = {item.version: item for item in self.versions(name)}
        if wanted not in known:
            raise UnknownNameError(f"version of the model {name}", version, known)
        return known[wanted]

    def champion_version(self, name: str) -> str | None:
        """The version that has the alias."""
        for model in self._client.search_registered_models(f"name = '{name}'"):
            version = dict(model.aliases).get(ALIAS)
            return None if version is None else str(version)
        return None

    def promote(self, name: str, version: str) -> None:
        """Make a version the champion."""
        self._client.set_registered_model_alias(name, ALIAS, version)

    def tag(self, name: str, version: str, facts: Mapping[str, str]) -> None:
        """Record facts on a version."""
        for key, value in facts.items():
            self._client.set_model_version_tag(name, version, PREFIX + key, value)

    def _read(self, item: Any, champion: str | None) -> ModelVersion:  # noqa: ANN401  (MLflow ships no types)
        tags = {key.removeprefix(PREFIX): value for key, value in item.tags.items()}
        return ModelVersion(
            name=item.name,
            version=str(item.version),
            champion=str(item.version) == champion,
            features=tags.get("features", ""),
            raw=json.loads(tags.get("raw", "[]")),
            run_id=tags.get("run_id", ""),
            tracking_run_id=item.run_id,
            code_version=tags.get("code_version", ""),
            training_key=tags.get("training_key", ""),
            gate=json.loads(tags.get("gate", "[]")),
            metrics=dict(self._client.get_run(item.run_id).data.metrics) if item.run_id else {},
        )
