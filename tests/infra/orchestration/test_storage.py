"""Dagster's storage on a real PostgreSQL: whoever opens it while another makes its tables, looks again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import psycopg2
import pytest
from dagster._core.instance.ref import InstanceRef
from postgres_server import OWNER, PASSWORD, Server, postgres_server
from sqlalchemy.exc import ProgrammingError

from datamill_infra.orchestration import storage

# A type of the name of a table is what a table leaves to be found while it is being made.
BEING_MADE, MADE = "CREATE TYPE runs AS ENUM ()", "DROP TYPE runs"
Execute = Callable[[str], None]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def execute(server: Server) -> Iterator[Execute]:
    """A statement for an empty database."""

    def execute(statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    connection = psycopg2.connect(host="127.0.0.1", port=server.port, user=OWNER, password=PASSWORD, dbname="postgres")
    connection.autocommit = True
    execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    yield execute
    connection.close()


@pytest.fixture
def ref(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InstanceRef:
    """As the chart of Data Mill has it in ``dagster.yaml``."""
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", PASSWORD)
    database = {
        "scheme": "postgresql+psycopg2",
        "hostname": "127.0.0.1",
        "port": server.port,
        "db_name": "postgres",
        "username": OWNER,
        "password": {"env": "DAGSTER_PG_PASSWORD"},
    }
    custom = {"module": storage.__name__, "class": "DeploymentStorage", "config": {"postgres_db": database}}
    return InstanceRef.from_dir(str(tmp_path), overrides={"storage": {"custom": custom}})


def test_who_comes_upon_a_table_that_another_is_making_looks_again(
    execute: Execute, ref: InstanceRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(BEING_MADE)
    monkeypatch.setattr(storage.time, "sleep", lambda _seconds: execute(MADE))
    with dg.DagsterInstance.from_ref(ref) as instance:
        assert 0 == instance.get_runs_count()
        assert "DeploymentStorage" == instance.get_ref().storage_data.class_name


def test_what_is_in_the_way_for_good_is_told_in_the_end(
    execute: Execute, ref: InstanceRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused: list[float] = []
    execute(BEING_MADE)
    monkeypatch.setattr(storage.time, "sleep", paused.append)
    with pytest.raises(ProgrammingError, match='type "runs" already exists'):
        dg.DagsterInstance.from_ref(ref)
    assert [storage.PAUSE_SECONDS] * (storage.ATTEMPTS - 1) == paused
