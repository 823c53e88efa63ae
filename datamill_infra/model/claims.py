"""Claims: how one component's need shows in its own view of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra.model.connections import Connection
from datamill_infra.model.errors import ConfigurationError
from datamill_infra.model.templates import references, resolve_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_infra.model.connections import FieldValue
    from datamill_infra.model.providers import ClaimsPart


def consumer_view(
    connection: Connection, part: ClaimsPart | None, claim: Mapping[str, object], consumer: str, where: str
) -> Connection:
    """A connection as the component that claims something of it sees it.

    Args:
        connection: as everybody sees it.
        part: what the provider says about claims.
        claim: what this consumer asks for.
        consumer: its name.
        where: file and key of ``part``, for messages.

    Raises:
        ConfigurationError: a template of ``part`` is wrong.
    """
    if part is None or not claim:
        return connection
    facts = {"claim": claim, "consumer": consumer}
    fields: dict[str, FieldValue] = dict(connection.fields)
    for name, template in part.fields.items():
        asked = [reference.path[1] for reference in references(template, where=where) if reference.path[0] == "claim"]
        if any(key not in claim for key in asked):
            continue  # this claim does not ask for it
        value = resolve_value(template, facts, where=f"{where}.{name}")
        if not isinstance(value, (str, int, bool)):
            raise ConfigurationError(
                f"{where}.{name}: {consumer} claims {value!r}, which is not a single value.",
                instruction="Claim text, a number, or true or false.",
            )
        fields[name] = value
    secrets = dict(connection.secrets)
    secrets |= {name: claimed_secret(consumer, connection.capability, name) for name in part.secrets}
    return Connection(connection.capability, connection.component, fields, secrets)


def claimed_secret(consumer: str, capability: str, name: str) -> str:
    """The full name of a secret that is generated for one claim."""
    return f"{consumer}.{capability}.{name}"
