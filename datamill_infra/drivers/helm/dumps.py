"""Databases of a PostgreSQL server in a cluster, by its own ``pg_dump`` and ``pg_restore``, from inside its pod.

The server's own programs have its version, and nothing has to be installed here. Passwords stay in the pod: a program
reads the mounted Secret into its environment.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from datamill_infra.kubernetes.pods import is_ready, pods_of
from datamill_infra.model.errors import ConfigurationError, UnhealthyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamill_infra.kubernetes.cluster import Cluster

CONTAINER = "postgres"
LOGIN = (
    'PGPASSWORD="$(cat /etc/postgres-secret/password)"; export PGPASSWORD;'
    ' export PGHOST=/run/postgresql PGUSER="$1" PGDATABASE="$2";'
)
ASK = (
    LOGIN
    + " exec psql --no-psqlrc --quiet --tuples-only --no-align --field-separator='|' --set=ON_ERROR_STOP=1 -c \"$3\""
)
DUMP = LOGIN + " exec pg_dump --format=custom"
# A stream's end is not told, so the program is told how much there is.
RESTORE = LOGIN + ' head -c "$3" | pg_restore --exit-on-error --single-transaction --dbname="$2"'

DATABASES = (
    "SELECT datname, pg_get_userbyid(datdba) FROM pg_database"
    " WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY datname"
)
RELATIONS = (
    "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND relnamespace NOT IN"
    " (SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg\\_%' OR nspname = 'information_schema')"
)
EMPTY = """
DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' LOOP
    EXECUTE format('DROP SCHEMA %I CASCADE', one.nspname);
  END LOOP;
END $$;
CREATE SCHEMA public AUTHORIZATION pg_database_owner; GRANT USAGE ON SCHEMA public TO PUBLIC;
"""
ENDED = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@dataclass(frozen=True)
class Database:
    """One database.

    Attributes:
        name: of it.
        owner: the consumer whose it is.
    """

    name: str
    owner: str


class Dumps:
    """The databases of one server.

    Args:
        cluster: where.
        namespace: of its pod.
        release: of it.
        username: of the administrator.
    """

    def __init__(self, cluster: Cluster, namespace: str, release: str, username: str) -> None:
        self.cluster, self.namespace, self.release, self.username = cluster, namespace, release, username

    def databases(self) -> list[Database]:
        """Those of consumers, by name."""
        lines = self._ask("postgres", DATABASES).splitlines()
        return [Database(*line.split("|", 1)) for line in lines if line]

    def dump(self, name: str, into: IO[bytes]) -> None:
        """Write a database as it is at this moment, in the format of ``pg_dump``.

        Raises:
            ClusterError: the program failed.
        """
        self._run([DUMP, "sh", self.username, name], stdout=into)

    def size(self, name: str) -> int:
        """How many tables, views and sequences it has."""
        return int(self._ask(name, RELATIONS))

    def restore(self, database: Database, content: IO[bytes], size: int, *, replace: bool) -> None:
        """Put a dump into a database that is there, all of it or nothing.

        Args:
            database: which; the deploy of its consumer has made it.
            content: a dump.
            size: of it, in bytes.
            replace: delete what is in it; whoever is connected is cut off.

        Raises:
            ConfigurationError: it is not there, belongs to somebody else, or is not empty and ``replace`` was not said.
            ClusterError: the program failed.
        """
        found = {one.name: one.owner for one in self.databases()}
        if found.get(database.name) != database.owner:
            belongs = f"belongs to {found[database.name]}" if database.name in found else "is not there"
            raise ConfigurationError(
                f"The database {database.name} of {database.owner} {belongs}.",
                instruction="`datamill up` makes the databases and users of the deployment; then restore.",
            )
        if relations := self.size(database.name):
            if not replace:
                raise ConfigurationError(
                    f"The database {database.name} is not empty: it has {relations} tables, views and sequences.",
                    instruction="Say --replace, which deletes what is in it.",
                )
            self._ask(database.name, ENDED)
            self._ask(database.name, EMPTY)
        self._run([RESTORE, "sh", self.username, database.name, str(size)], stdin=content, stdout=io.BytesIO())

    def _ask(self, name: str, statement: str) -> str:
        answer = io.BytesIO()
        self._run([ASK, "sh", self.username, name, statement], stdout=answer)
        return answer.getvalue().decode().strip()

    def _run(self, words: Sequence[str], *, stdin: IO[bytes] | None = None, stdout: IO[bytes]) -> None:
        command = ["sh", "-ec", *words]
        self.cluster.execute(self.namespace, self._pod(), CONTAINER, command, stdin=stdin, stdout=stdout)

    def _pod(self) -> str:
        for pod in pods_of(self.cluster, self.namespace, self.release):
            if is_ready(pod):
                return str(pod["metadata"]["name"])
        raise UnhealthyError(
            f"No pod of {self.release} is ready in namespace {self.namespace}.",
            instruction=f"`datamill why {self.release}` says why.",
        )
