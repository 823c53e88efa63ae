"""Dagster's storage in PostgreSQL, as the pods of a new deployment open it: all at once, and empty.

Whoever finds no tables makes them. Dagster forgives it when another has made a table meanwhile, and fails when it comes
upon the table's row type first, which PostgreSQL makes a moment earlier (``duplicate_object``). Then the pod would end
and be started once more.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Self, cast

from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config
from sqlalchemy.exc import ProgrammingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagster._core.storage.config import PostgresStorageConfig
    from dagster._serdes import ConfigurableClassData

ATTEMPTS = 10
PAUSE_SECONDS = 0.5
DUPLICATE_OBJECT = "42710"
"""SQLSTATE: PostgreSQL's manual, appendix A."""

_log = logging.getLogger(__name__)


class DeploymentStorage(DagsterPostgresStorage):
    """Dagster's storage in PostgreSQL, whose tables others may be making at the same time."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """As ``dagster.yaml`` has it; the configuration is that of Dagster's class.

        Raises:
            sqlalchemy.exc.ProgrammingError: the tables can't be made.
        """
        url = pg_url_from_config(cast("PostgresStorageConfig", config_value))
        for _ in range(ATTEMPTS - 1):
            try:
                return cls(url, inst_data=inst_data)
            except ProgrammingError as error:
                if getattr(error.orig, "pgcode", None) != DUPLICATE_OBJECT:
                    raise
                _log.info("Somebody else makes the tables of Dagster's storage. Looking again in %s s.", PAUSE_SECONDS)
            time.sleep(PAUSE_SECONDS)
        return cls(url, inst_data=inst_data)
