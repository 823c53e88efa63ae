"""What a message may hold: the declared columns, and those that were accepted later.

A declared column has a type, and may be required (its key must be there and not null). A key that nobody declared
becomes a new nullable column with the type of its first value, and is *accepted*: from then on it is part of the
schema, which the sink records in the dataset. A value that contradicts the schema makes its message a bad one.

The rules look at one message after the other, never at a batch: how messages were batched cannot show.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from datamill_infra.model.errors import ConfigurationError
from datamill_pipelines.stream.errors import IncompatibleSinkError

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPES: dict[str, pa.DataType] = {
    "int64": pa.int64(),
    "double": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "timestamp[us, tz=UTC]": pa.timestamp("us", tz="UTC"),
    "list<int64>": pa.list_(pa.int64()),
    "list<double>": pa.list_(pa.float64()),
    "list<string>": pa.list_(pa.string()),
}
"""Column types by name. A timestamp is ISO 8601 text in the message, with at most six digits of a second."""

MOST_COLUMNS = 2_000
"""Keys that are data (an id as key) would add columns without end; beyond this number a new key is refused."""

INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Column:
    """One declared column.

    Attributes:
        name: key in the message, name in the table.
        type: one of :data:`TYPES`.
        required: whether a message without it, or with null, is bad.
        description: what it holds, with its unit.
    """

    name: str
    type: str
    required: bool = False
    description: str = ""

    def __post_init__(self) -> None:
        """Refuse types that messages cannot have."""
        if self.type not in TYPES:
            raise ConfigurationError(
                f"Column {self.name!r} has the type {self.type!r}, which messages cannot have.",
                instruction=f"Use one of: {', '.join(TYPES)}.",
            )


@dataclass(frozen=True)
class MessageSchema:
    """Declared and accepted columns.

    Attributes:
        declared: in the order of the table.
        accepted: type by name of the columns that came later.
    """

    declared: tuple[Column, ...] = ()
    accepted: Mapping[str, str] = field(default_factory=dict)

    def types(self) -> dict[str, str]:
        """Type by name: declared columns in their order, then the accepted ones by name."""
        return {column.name: column.type for column in self.declared} | dict(sorted(self.accepted.items()))

    def arrow(self) -> pa.Schema:
        """As an Arrow schema. Every field is nullable: a file written today can be read with one written tomorrow."""
        return pa.schema([pa.field(name, TYPES[type_]) for name, type_ in self.types().items()])

    def required(self) -> tuple[str, ...]:
        """Names of the required columns."""
        return tuple(column.name for column in self.declared if column.required)

    def accept(self, new: Mapping[str, str]) -> MessageSchema:
        """With more columns."""
        return replace(self, accepted={**self.accepted, **new}) if new else self

    def to_json(self) -> dict[str, Any]:
        """As the sink records it in the dataset."""
        declared = [{"name": c.name, "type": c.type, "required": c.required} for c in self.declared]
        return {"declared": declared, "accepted": dict(sorted(self.accepted.items()))}

    def continue_from(self, recorded: Mapping[str, Any], dataset: str) -> MessageSchema:
        """This declaration, on a dataset that was landed under a recorded one.

        Args:
            recorded: what :meth:`to_json` gave then.
            dataset: its name, for the message.

        Raises:
            IncompatibleSinkError: a column has another type now.
        """
        landed = {column["name"]: column["type"] for column in recorded["declared"]} | dict(recorded["accepted"])
        own = {column.name: column.type for column in self.declared}
        changed = [
            f"{name} ({landed[name]}, now {type_})" for name, type_ in own.items() if landed.get(name, type_) != type_
        ]
        if changed:
            raise IncompatibleSinkError(
                f"{dataset} holds columns whose declared type has changed: {', '.join(changed)}.",
                instruction="Declare the type that was landed, or land the changed messages in another dataset.",
            )
        return replace(self, accepted={name: type_ for name, type_ in landed.items() if name not in own})


def type_of(value: object) -> str | None:
    """The type that a first value gives its column, or ``None`` if a column cannot have such values undeclared."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64" if value in INT64 else None
    return {float: "double", str: "string"}.get(type(value))


def contradiction(name: str, type_: str, value: object) -> str | None:
    """Why a value cannot be in a column, as far as its JSON type tells; ``None`` if it may be."""
    right = {
        "int64": isinstance(value, int) and not isinstance(value, bool),
        "double": isinstance(value, (int, float)) and not isinstance(value, bool),
        "bool": isinstance(value, bool),
        "string": isinstance(value, str),
        "timestamp[us, tz=UTC]": isinstance(value, str),
    }
    if not right.get(type_, isinstance(value, list)):
        return f"wrong type: {name!r} is {said(value)}, and the column is {type_}"
    if type_ == "int64" and value not in INT64:
        return f"wrong type: {name!r} is beyond 64 bits"
    return None


def said(value: object) -> str:
    """The JSON type of a value, as a person says it."""
    names = {bool: "true or false", int: "an integer", float: "a real number", str: "a string", list: "an array"}
    return names.get(type(value), "an object")
