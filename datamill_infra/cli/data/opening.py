"""Which store a verb is about."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_infra.model.connections import ResolvedConnection
    from datamill_pipelines.datasets import DatasetStore

Where = tuple[str | None, str | None]
"""What ``--home`` and ``--store`` gave."""

STORE_HELP = "file:///directory, s3://bucket/prefix (keys and endpoint from AWS_* variables), or a deployment directory"


@contextlib.contextmanager
def opened(where: Where) -> Iterator[DatasetStore]:
    """The store that ``--store`` names, else the deployment's.

    Raises:
        BlockedError: the deployment has none.
    """
    home, address = where
    if address is None:
        with _of_deployment(home) as store:
            yield store
    else:
        with opened_at(address) as store:
            yield store


@contextlib.contextmanager
def opened_at(address: str) -> Iterator[DatasetStore]:
    """The store at an address.

    Args:
        address: ``file:///directory``, ``s3://bucket/prefix`` with the usual AWS variables, or the directory of a
            deployment, whose datasets are meant.

    Raises:
        BlockedError: the deployment there has none.
        ConfigurationError: it is no such address.
    """
    from datamill_pipelines.datasets import open_store

    if address.startswith("s3://"):
        store = open_store(_from_environment(address))
    elif "://" in address:
        store = open_store(address)
    else:
        with _of_deployment(address) as store:
            yield store
        return
    with contextlib.closing(store):
        yield store


@contextlib.contextmanager
def _of_deployment(home: str | None) -> Iterator[DatasetStore]:
    from datamill_infra.cli.deployments import open_deployment
    from datamill_infra.cli.reached import reached
    from datamill_pipelines.datasets import open_store

    with reached(open_deployment(home), "datasets") as connection, contextlib.closing(open_store(connection)) as store:
        yield store


def _from_environment(url: str) -> ResolvedConnection:
    """What the AWS clients would read; keys never come as arguments."""
    from datamill_infra.model.connections import ResolvedConnection
    from datamill_infra.model.errors import ConfigurationError

    names = {
        "endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
        "access_key": ("AWS_ACCESS_KEY_ID",),
        "secret_key": ("AWS_SECRET_ACCESS_KEY",),
    }
    found = {field: next(filter(None, map(os.environ.get, tried)), None) for field, tried in names.items()}
    missing = [names[field][-1] for field, value in found.items() if value is None and field != "region"]
    if missing:
        raise ConfigurationError(
            f"{url} cannot be opened without {', '.join(missing)}.",
            instruction="Export them. `datamill shell` exports those of the deployment's own object store.",
        )
    values = {field: value for field, value in found.items() if value is not None}
    return ResolvedConnection("datasets", "datasets", {**values, "url": url}, frozenset({"access_key", "secret_key"}))
