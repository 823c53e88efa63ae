"""Which store a verb is about."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_pipelines.datasets import DatasetStore

Where = tuple[str | None, str | None]
"""What ``--home`` and ``--store`` gave."""


@contextlib.contextmanager
def opened(where: Where) -> Iterator[DatasetStore]:
    """The store that ``--store`` names, else the deployment's.

    Raises:
        BlockedError: the deployment has none.
    """
    from datamill_infra.cli.deployments import open_deployment
    from datamill_infra.model.published import published_connection
    from datamill_pipelines.datasets import open_store

    home, url = where
    store = open_store(url) if url else open_store(published_connection(open_deployment(home), "datasets"))
    try:
        yield store
    finally:
        store.close()
