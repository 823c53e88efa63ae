"""The model registry, over its REST API: versions, what is recorded on them, and the alias of the champion.

What a version was made from is in its tags, and nowhere else is it asked: ``datamill lineage`` follows them.
MLflow's own client takes seconds to import, more than all the rest of the commands that look here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from datamill_infra.model.errors import PlatformError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

API = "/api/2.0/mlflow"
REQUEST_SECONDS = 10.0
PAGE = 200
ALIAS = "champion"
PREFIX = "datamill."
"""Of the tags that training records."""


@dataclass(frozen=True)
class ModelVersion:
    """One registered version of a model.

    Attributes:
        name: of the model.
        version: of the model.
        tracking_run_id: MLflow's run that made it.
        created_ms: milliseconds since the epoch.
        tags: what training recorded.
        aliases: names that point to it, e.g. ``champion``.
    """

    name: str
    version: str
    tracking_run_id: str = ""
    created_ms: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def ref(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"

    @property
    def champion(self) -> bool:
        """Whether the alias is on it."""
        return ALIAS in self.aliases

    @property
    def features(self) -> str:
        """``repo@commit`` of its features."""
        return self._told("features")

    @property
    def raw(self) -> Sequence[str]:
        """``repo@commit`` of each raw dataset behind the features."""
        return [str(ref) for ref in json.loads(self._told("raw") or "[]")]

    @property
    def run_id(self) -> str:
        """Dagster's run."""
        return self._told("run_id")

    @property
    def code_version(self) -> str:
        """Of the code that made it."""
        return self._told("code_version")

    @property
    def training_key(self) -> str:
        """Equal for equal features, code and configuration."""
        return self._told("training_key")

    @property
    def gate(self) -> Sequence[Mapping[str, Any]]:
        """Name, value, threshold and verdict of each criterion."""
        return [dict(verdict) for verdict in json.loads(self._told("gate") or "[]")]

    def _told(self, name: str) -> str:
        return self.tags.get(PREFIX + name, "")


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
        """One version; ``champion`` stands for the one with the alias.

        Raises:
            UnknownNameError: it is not registered.
        """
        known = self.versions(name)
        for found in known:
            if found.version == version or version in found.aliases:
                return found
        others = known or self.versions()
        raise UnknownNameError("registered model version", f"{name}@{version}", [found.ref for found in others])

    def versions(self, name: str | None = None) -> list[ModelVersion]:
        """Every version, oldest first within a model.

        Args:
            name: only of this model; none if there is no such model.
        """
        aliases = self._aliases()
        wanted = {"filter": f"name='{name}'"} if name is not None else {}
        found = [_version(entry, aliases) for entry in self._pages("model-versions/search", "model_versions", wanted)]
        return sorted(found, key=lambda each: (each.name, int(each.version)))

    def champion_version(self, name: str) -> str | None:
        """The version that has the alias."""
        return next((found.version for found in self.versions(name) if found.champion), None)

    def promote(self, name: str, version: str) -> None:
        """Make a version the champion."""
        self._post("registered-models/alias", {"name": name, "alias": ALIAS, "version": version})

    def tag(self, name: str, version: str, facts: Mapping[str, str]) -> None:
        """Record facts on a version."""
        for key, value in facts.items():
            fact = {"name": name, "version": version, "key": PREFIX + key, "value": value}
            self._post("model-versions/set-tag", fact)

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

    def _pages(self, path: str, key: str, wanted: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            page = self._get(path, {**(wanted or {}), "max_results": str(PAGE), "page_token": token})
            yield from page.get(key, [])
            token = page.get("next_page_token", "")
            if not token:
                return

    def _get(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        return self._ask("GET", path, params={key: value for key, value in parameters.items() if value})

    def _post(self, path: str, body: Mapping[str, str]) -> None:
        self._ask("POST", path, json=dict(body))

    def _ask(self, method: str, path: str, **what: Any) -> dict[str, Any]:  # noqa: ANN401  of requests
        try:
            answer = self._session.request(method, f"{self._url}{API}/{path}", timeout=REQUEST_SECONDS, **what)
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
        tracking_run_id=entry.get("run_id", ""),
        created_ms=int(entry.get("creation_timestamp", 0)),
        tags=tags,
        aliases=tuple(aliases.get((entry["name"], str(entry["version"])), ())),
    )
