"""The version of a model that may serve: the one with the registry's alias ``champion``."""

from __future__ import annotations

from datamill_pipelines.registry import ALIAS, ModelVersion, Registry
from datamill_pipelines.serving.errors import NoChampionError


def champion(url: str, name: str) -> ModelVersion:
    """Ask the registry.

    Args:
        url: of the tracking server.
        name: of the model.

    Raises:
        NoChampionError: no version has the alias.
    """
    registry = Registry(url)
    if registry.champion_version(name) is None:
        raise NoChampionError(
            f"The registry at {url} has no {ALIAS} of {name}.",
            instruction="Train one with `datamill run train`; the gate's report says why a version did not pass.",
        )
    return registry.version(name, ALIAS)
