"""A real S3 server for the tests of the dataset store, and stores on every backend."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from s3_server import BUCKET, s3_server

from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.datasets.local import LocalStore
from datamill_pipelines.datasets.s3 import S3Store
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.testing import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_pipelines.datasets.objects import ObjectStore


@pytest.fixture(scope="session")
def s3_connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResolvedConnection]:
    """The catalogue's S3 server, started once, with an empty bucket ``datasets``."""
    with s3_server(tmp_path_factory.mktemp("s3proxy")) as connection:
        yield connection


@pytest.fixture(params=["memory", "local", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    """An empty object store, on every backend."""
    store: ObjectStore
    if request.param == "memory":
        store = MemoryStore()
    elif request.param == "local":
        store = LocalStore(tmp_path / "store")
    else:
        connection = request.getfixturevalue("s3_connection")
        store = S3Store(BUCKET, secrets.token_hex(6), connection, timeout=20)
    with store:
        yield store


@pytest.fixture
def store(objects: ObjectStore) -> DatasetStore:
    """An empty dataset store, on every backend."""
    return DatasetStore(objects)


@pytest.fixture
def memory() -> DatasetStore:
    """An empty dataset store in memory."""
    return DatasetStore(MemoryStore())


@pytest.fixture
def local(tmp_path: Path) -> DatasetStore:
    """An empty dataset store in a directory."""
    return DatasetStore(LocalStore(tmp_path / "local"))
