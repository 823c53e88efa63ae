"""The options by which a command names a Kubernetes cluster, and the deployment they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from datamill_infra.model.deployment import Deployment

    Command = Callable[..., Any]

ANY = "context"
"""The kind of target that promises nothing."""


def context_option(command: Command) -> Command:
    """``--context`` of commands for deployments that exist."""
    return click.option("--context", help="The Kubernetes context; must be that of the deployment.")(command)


def target_options(command: Command) -> Command:
    """``--context`` and ``--target`` of commands that may make a deployment."""
    command = click.option(
        "--target",
        help="Kind of cluster of a new deployment: kind, k3d, minikube, eks, gke, lab, ... [default: context].",
    )(command)
    return click.option("--context", help="The Kubernetes context of a new deployment; without it, this machine.")(
        command
    )


def new_target(context: str | None, target: str | None) -> str:
    """The kind of target that a new deployment has.

    Raises:
        ConfigurationError: a cluster is meant, and its context is not named.
    """
    kind = target or (ANY if context else "embedded")
    if kind != "embedded" and context is None:
        raise ConfigurationError(
            f"The target {kind!r} is a Kubernetes cluster, and no context is named.",
            instruction="Add --context NAME; `kubectl config get-contexts -o name` lists them.",
        )
    return kind


def require_context(deployment: Deployment, context: str | None) -> None:
    """Refuse a context that is not the deployment's; nothing ever acts on one that is not named.

    Raises:
        ConfigurationError: it is another one.
    """
    if context is not None and context != deployment.context:
        theirs = f"on the context {deployment.context!r}" if deployment.context else "on this machine"
        raise ConfigurationError(
            f"The deployment in {deployment.home} is {theirs}, not on {context!r}.",
            instruction="Name its own context, or another directory with --home.",
        )


def require_embedded(deployment: Deployment, what: str) -> None:
    """Refuse what this version does on this machine only.

    Args:
        deployment: which.
        what: a clause, e.g. ``"pipelines run"``.

    Raises:
        ConfigurationError: the deployment is on a cluster.
    """
    if deployment.target != "embedded":
        raise ConfigurationError(
            f"In this version {what} for deployments on this machine only;"
            f" this one is on the context {deployment.context!r}.",
            instruction="Use a deployment with `target: embedded` for it, in another directory (--home).",
        )


def seen_capabilities(context: str | None, target: str) -> tuple[str, ...]:
    """What a cluster gives that its kind does not promise, as far as it can be seen.

    Raises:
        DatamillError: the cluster cannot be asked.
    """
    if target != ANY or context is None:
        return ()
    from datamill_infra.kubernetes.api import ApiServer

    classes = ApiServer(context).find("storage.k8s.io/v1", "StorageClass")
    marked = "storageclass.kubernetes.io/is-default-class"
    default = any((one["metadata"].get("annotations") or {}).get(marked) == "true" for one in classes)
    return ("storage-class",) if default else ()
