"""The model registry, read over its REST API.

Only what lineage and the command line read. MLflow's own client takes seconds to import, more than all the rest of
these commands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from datamill_infra.model.errors import PlatformError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

API = "/api/2.0/mlflow"
REQUEST_SECONDS = 10.0
PAGE = 200


@dataclass(frozen=True)
class ModelVersion:
    """One registered version of a model.

    Attributes:
        name: of the model.
        version: of the model.
        run_id: MLflow's run that made it.
        created_ms: milliseconds since the epoch.
        tags: what training recorded.
        aliases: names that point to it, e.g. ``champion``.
    """

    name: str
    version: str
    run_id: str = ""
    created_ms: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def ref(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"


class Registry:
    """An MLflow tracking server's registry.

    Args:
        url: of the server.
        session: by default one of its own.
    """

    def __init__(self, url: str, session: requests.Session | None = None) -> None:
        self._url = url.rstrip("/")
        self._session = session or requests.Session()

    def version(self, name: str, version: str) -> ModelVersion:
        """One version.

        Raises:
            UnknownNameError: it is not registered.
        """
        for found in self.versions():
            if (found.name, found.version) == (name, version):
                return found
        raise UnknownNameError("registered model version", f"{name}@{version}", [v.ref for v in self.versions()])

    def versions(self) -> list[ModelVersion]:
        """Every version of every model, in the registry's order."""
        aliases = self._aliases()
        return [_version(entry, aliases) for entry in self._pages("model-versions/search", "model_versions")]

    def metrics(self, run_id: str) -> dict[str, float]:
        """The last value of each metric of an MLflow run."""
        run = self._get("runs/get", {"run_id": run_id}).get("run", {})
        return {metric["key"]: float(metric["value"]) for metric in run.get("data", {}).get("metrics", [])}

    def _aliases(self) -> dict[tuple[str, str], list[str]]:
        """Name and version to aliases, which a search for versions leaves out."""
        found: dict[tuple[str, str], list[str]] = {}
        for model in self._pages("registered-models/search", "registered_models"):
            for entry in model.get("aliases", []):
                found.setdefault((model["name"], str(entry["version"])), []).append(entry["alias"])
        return found

    def _pages(self, path: str, key: str) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            page = self._get(path, {"max_results": str(PAGE), "page_token": token})
            yield from page.get(key, [])
            token = page.get("next_page_token", "")
            if not token:
                return

    def _get(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        wanted = {key: value for key, value in parameters.items() if value}
        try:
            answer = self._session.get(f"{self._url}{API}/{path}", params=wanted, timeout=REQUEST_SECONDS)
            answer.raise_for_status()
            read = answer.json()
        except requests.RequestException as error:
            raise PlatformError(
                f"The model registry at {self._url} did not answer: {error}.",
                instruction="`datamill status` shows its state, `datamill up -c mlflow` brings it back.",
            ) from error
        return read if isinstance(read, dict) else {}


def _version(entry: Mapping[str, Any], aliases: Mapping[tuple[str, str], list[str]]) -> ModelVersion:
    tags = {tag["key"]: tag.get("value", "") for tag in entry.get("tags", [])}
    return ModelVersion(
        name=entry["name"],
        version=str(entry["version"]),
        run_id=entry.get("run_id", ""),
        created_ms=int(entry.get("creation_timestamp", 0)),
        tags=tags,
        aliases=tuple(aliases.get((entry["name"], str(entry["version"])), ())),
    )
