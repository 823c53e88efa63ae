"""Which deployment a command is about."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.cli.clusters import new_target, require_context, seen_capabilities
from datamill_infra.cli.project import link_dagster_yaml
from datamill_infra.model.deployment import Deployment

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_FLAVOUR = "demo"


def home_directory(option: str | None) -> Path:
    """The deployment directory: ``--home`` or ``DATAMILL_HOME``, else ``DAGSTER_HOME``, else ``./.datamill``.

    Args:
        option: what ``--home`` gave; click has already looked at ``DATAMILL_HOME``.
    """
    named = option or os.environ.get("DAGSTER_HOME") or ".datamill"
    return Path(named).expanduser().absolute()


def open_deployment(option: str | None, *, extra: Iterable[str] = (), context: str | None = None) -> Deployment:
    """The deployment that exists there.

    Args:
        option: what ``--home`` gave.
        extra: components in addition, for this command only.
        context: what ``--context`` gave; it must be the deployment's.

    Raises:
        ConfigurationError: there is none, or anything about it is wrong.
    """
    deployment = Deployment.load(home_directory(option), extra=extra)
    require_context(deployment, context)
    link_dagster_yaml(deployment.home)
    return deployment


def open_or_make_deployment(
    option: str | None, flavour: str | None, *, context: str | None = None, target: str | None = None
) -> Deployment:
    """The deployment that exists there, or a new one.

    Args:
        option: what ``--home`` gave.
        flavour: of a new deployment; an existing one must have it. ``None`` takes what exists, else the default.
        context: of a new deployment on a cluster; an existing one must have it.
        target: kind of target of a new deployment.

    Raises:
        ConfigurationError: the flavour does not resolve, or another one is deployed there.
    """
    home = home_directory(option)
    if (home / "deployment.yaml").exists():
        deployment = open_deployment(option, context=context)
        if flavour in (None, deployment.flavour) and target in (None, deployment.target):
            return deployment
    kind = new_target(context, target)
    given = seen_capabilities(context, kind)
    deployment = Deployment.write_default(home, flavour or DEFAULT_FLAVOUR, kind, context=context, capabilities=given)
    link_dagster_yaml(home)
    return deployment


def preview_deployment(
    option: str | None, flavour: str | None, *, context: str | None = None, target: str | None = None
) -> Deployment:
    """The deployment that exists there, or what a new one would be; nothing is written.

    Args:
        option: what ``--home`` gave.
        flavour: of a new deployment.
        context: what ``--context`` gave.
        target: kind of target of a new deployment.

    Raises:
        ConfigurationError: the flavour does not resolve.
    """
    home = home_directory(option)
    if (home / "deployment.yaml").exists():
        deployment = Deployment.load(home)
        if flavour is None or flavour == deployment.flavour:
            require_context(deployment, context)
            return deployment
    kind = new_target(context, target)
    given = seen_capabilities(context, kind)
    return Deployment.preview(home, flavour or DEFAULT_FLAVOUR, kind, context=context, capabilities=given)
