"""``postgres`` on a real server: each consumer in a database of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from postgres_server import OWNER, Server, postgres_server

from datamill_infra import capabilities
from datamill_infra.capabilities import postgres
from datamill_infra.drivers.helm.charts import charts_folder
from datamill_infra.model.errors import UnhealthyError


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as server:
        yield server


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
