"""Kubeconfig files of tools that call every cluster the same, or after whoever asks."""

from __future__ import annotations

from typing import Any

import yaml

from datamill_infra.clusters.commands import ClusterError


def renamed(text: str, context: str) -> str:
    """A kubeconfig whose one cluster, user and context have the name of the context.

    Args:
        text: the kubeconfig.
        context: the name.

    Raises:
        ClusterError: it has another number of contexts than one.
    """
    config: dict[str, Any] = yaml.safe_load(text) or {}
    if len(config.get("contexts") or []) != 1:
        raise ClusterError(
            f"A kubeconfig with one context was expected for {context}, and {len(config.get('contexts') or [])} came.",
            instruction="Write the kubeconfig by the tool's own command, and name its context with --context.",
        )
    inner = config["contexts"][0]["context"]
    for part, name in (("clusters", inner["cluster"]), ("users", inner["user"])):
        config[part] = [{**entry, "name": context} for entry in config[part] if entry["name"] == name]
    config["contexts"] = [{"name": context, "context": {**inner, "cluster": context, "user": context}}]
    config["current-context"] = context
    return yaml.safe_dump(config, sort_keys=False)
