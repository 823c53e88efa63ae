"""``postgres``: a PostgreSQL server.

Fields: ``host``, ``port``, ``database``, ``username``; secret ``password``. Everybody's view is that of the user who
may make databases and users; a claim of a ``database`` has one of its own, and a user of its own, which :func:`admit`
makes.
"""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from datamill_infra.capabilities.attempt import Attempt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psycopg2.extensions import connection as Server  # noqa: N812  (a class that its library writes small)

    from datamill_infra.capabilities.attempt import Observation
    from datamill_infra.model.connections import ResolvedConnection

ADMIT_SECONDS = 15.0
REFUSED = ("password authentication failed", "no pg_hba.conf entry", "is not permitted to log in")
"""A refused login has no error code of its own: it happens before there is a connection that could carry one."""

KNOWN = "SELECT 1 FROM pg_roles WHERE rolname = %s"
OWNER = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s"


def probe(connection: ResolvedConnection, *, timeout: float) -> Observation:
    """Log in, and have the server give back what it is sent.

    Raises:
        UnhealthyError: it did not.
    """
    attempt = _attempt(connection, timeout)
    token = secrets.token_hex(8)
    with _logged_in(connection, attempt) as server, server.cursor() as cursor:
        attempt.left("asking a question")
        try:
            cursor.execute("SELECT %s, current_setting('server_version')", (token,))
            answer, version = cursor.fetchone() or (None, "")
        except psycopg2.Error as error:
            raise attempt.failed(_said(error)) from None
    if answer != token:
        raise attempt.failed(f"it answered {answer!r} instead of what it was sent")
    return attempt.observed(f"PostgreSQL {version.split()[0]} answers", version=version.split()[0])


def admit(owner: ResolvedConnection, connection: ResolvedConnection, claim: Mapping[str, object]) -> None:
    """Make the database and the user that a claim asks for, unless the user gets in already.

    The password reaches the server as a SCRAM verifier only, so that no log of statements has it.

    Args:
        owner: as who makes databases and users.
        connection: as who claims.
        claim: ``{"database": name}``; anything else in it is not ours to create.

    Raises:
        UnhealthyError: the server refused, or did not answer.
    """
    if "database" not in claim or _gets_in(connection):
        return
    database, user = sql.Identifier(connection.text("database")), sql.Identifier(connection.text("username"))
    attempt = _attempt(owner, ADMIT_SECONDS)
    if connection.text("username") == owner.text("username"):
        raise attempt.failed(
            f"{owner.text('username')} makes the databases, and a consumer has the same name",
            instruction="Give the server's own user another name (`username` of the component).",
        )
    with _logged_in(owner, attempt) as server, server.cursor() as cursor:
        attempt.left(f"making the database {connection.text('database')}")
        verifier = sql.Literal(
            encrypt_password(connection.text("password"), connection.text("username"), server, "scram-sha-256")
        )
        try:
            cursor.execute(KNOWN, (connection.text("username"),))
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE ROLE {}").format(user))
            cursor.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(user, verifier))
            # Who is no superuser may give a database only to a role that it belongs to.
            cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(user))
            cursor.execute(OWNER, (connection.text("database"),))
            if (found := cursor.fetchone()) is None:
                cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, user))
            elif found[0] != connection.text("username"):
                raise attempt.failed(
                    f"the database {connection.text('database')} belongs to {found[0]}",
                    instruction="Have the claim name another database: each consumer has one of its own.",
                )
            # Otherwise every user could log in to every database.
            cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        except psycopg2.Error as error:
            raise attempt.failed(_said(error)) from None


def environment(connection: ResolvedConnection) -> dict[str, str]:
    """What libpq reads."""
    return {
        "PGHOST": connection.text("host"),
        "PGPORT": connection.text("port"),
        "PGDATABASE": connection.text("database"),
        "PGUSER": connection.text("username"),
        "PGPASSWORD": connection.text("password"),
    }


def _attempt(connection: ResolvedConnection, timeout: float) -> Attempt:
    return Attempt(connection, f"{connection.text('host')}:{connection.text('port')}", timeout)


def _gets_in(connection: ResolvedConnection) -> bool:
    """Whether the claimant can log in to its database."""
    try:
        _open(connection, ADMIT_SECONDS).close()
    except psycopg2.OperationalError:
        return False
    return True


@contextlib.contextmanager
def _logged_in(connection: ResolvedConnection, attempt: Attempt) -> Iterator[Server]:
    attempt.reach(connection.text("host"), int(connection["port"]))
    try:
        server = _open(connection, attempt.left("logging in"))
    except psycopg2.OperationalError as error:
        said = _said(error)
        raise attempt.refused(said) if any(words in said for words in REFUSED) else attempt.failed(said) from None
    try:
        yield server
    finally:
        server.close()


def _open(connection: ResolvedConnection, timeout: float) -> Server:
    server = psycopg2.connect(
        host=connection.text("host"),
        port=int(connection["port"]),
        dbname=connection.text("database"),
        user=connection.text("username"),
        password=connection.text("password"),
        # Whole seconds, and one is taken for two.
        connect_timeout=max(2, int(timeout)),
        options=f"-c statement_timeout={int(timeout * 1000)}",
        application_name="datamill",
        # Of this machine's user, and meant for other servers.
        passfile="/dev/null",
    )
    server.autocommit = True
    return server


def _said(error: psycopg2.Error) -> str:
    """The first line of what the server or the library says."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0]
