"""Which programs are run in the server's pod, and what is refused before one is."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest

from datamill_infra.drivers.helm.dumps import DATABASES, EMPTY, RELATIONS, Database, Dumps
from datamill_infra.kubernetes.memory import MemoryCluster
from datamill_infra.model.errors import ConfigurationError, UnhealthyError

LEDGER = Database("ledger", "ledger")


class Server:
    """Answers questions, and remembers what it was asked."""

    def __init__(self, relations: int = 0) -> None:
        self.relations = relations
        self.asked: list[str] = []
        self.restored = b""

    def __call__(self, pod: str, command: Sequence[str], stdin: bytes) -> bytes:
        assert "postgres-0" == pod
        script, last = command[2], command[-1]
        assert not any("password=" in word or "secret-word" in word for word in command)
        self.asked.append("restore" if "pg_restore" in script else "dump" if "pg_dump" in script else last)
        if "pg_restore" in script:
            assert str(len(stdin)) == last
            self.restored = stdin
        return {DATABASES: b"ledger|ledger\n", RELATIONS: str(self.relations).encode()}.get(last, b"PGDMP")


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    labels = {"app.kubernetes.io/instance": "postgres"}
    conditions = [{"type": "Ready", "status": "True"}]
    metadata = {"name": "postgres-0", "namespace": "mill", "labels": labels}
    made.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"conditions": conditions}})
    return made


def dumps(cluster: MemoryCluster, server: Server) -> Dumps:
    cluster.programs = server
    return Dumps(cluster, "mill", "postgres", "postgres")


def test_dump_is_what_the_program_writes(cluster: MemoryCluster) -> None:
    into = io.BytesIO()
    dumps(cluster, Server()).dump("ledger", into)
    assert b"PGDMP" == into.getvalue()


def test_restore_tells_the_program_how_much_there_is(cluster: MemoryCluster) -> None:
    server = Server()
    dumps(cluster, server).restore(LEDGER, io.BytesIO(b"PGDMP..."), 8, replace=False)
    assert b"PGDMP..." == server.restored


def test_database_with_something_in_it_is_refused(cluster: MemoryCluster) -> None:
    server = Server(relations=3)
    with pytest.raises(ConfigurationError, match="not empty: it has 3"):
        dumps(cluster, server).restore(LEDGER, io.BytesIO(b"x"), 1, replace=False)
    assert "restore" not in server.asked
    assert EMPTY not in server.asked


def test_replace_empties_it_first(cluster: MemoryCluster) -> None:
    server = Server(relations=3)
    dumps(cluster, server).restore(LEDGER, io.BytesIO(b"x"), 1, replace=True)
    assert server.asked.index(EMPTY) < server.asked.index("restore")


@pytest.mark.parametrize(
    ("database", "told"),
    [(Database("other", "other"), "is not there"), (Database("ledger", "mlflow"), "belongs to ledger")],
)
def test_database_must_be_there_and_its_owners(cluster: MemoryCluster, database: Database, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        dumps(cluster, Server()).restore(database, io.BytesIO(b"x"), 1, replace=True)


def test_server_that_is_not_ready_is_told() -> None:
    with pytest.raises(UnhealthyError, match="No pod of postgres is ready"):
        dumps(MemoryCluster(), Server()).databases()
