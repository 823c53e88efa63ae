"""From the bytes of messages to columns.

The fast way takes a whole batch through Arrow's JSON parser: no Python object per message. It is all or nothing. When
anything is unusual (bad JSON, a wrong type, a missing key, a new key, a line break), the batch is halved until the
unusual messages are among few, and those are looked at one by one in :mod:`~datamill_pipelines.stream.doubtful`. Both
ways give the same verdict on every message, so batches do not show in what is landed.

The parser is guarded, because it must survive any bytes: it recurses per level of nesting (100,000 levels overflow the
stack), it dies on a document that is only ``null``, it takes two objects on one line for two rows, and it does not look
whether strings are UTF-8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamill_pipelines.stream.schema import MessageSchema

BLOCK = 1 << 20
"""Bytes that one parser thread takes at a time."""

FEW = 64
"""Messages that are looked at one by one when one among them is unusual."""

SHORT = 1_024
"""Bytes of a message that cannot be nested deeper than the parser survives."""

MOST_BRACKETS = 1_000
"""Brackets in a message beyond which its nesting is measured before the parser sees it."""

LINE_BREAK, BRACE = ord("\n"), ord("{")


@dataclass(frozen=True)
class Dead:
    """A message that cannot be landed.

    Attributes:
        index: its place in the batch.
        reason: why not.
    """

    index: int
    reason: str


@dataclass(frozen=True)
class Decoded:
    """What became of a batch.

    Attributes:
        table: the good messages, in order, with the columns of ``schema``.
        dead: the bad ones, in order.
        schema: with the columns that the batch added.
    """

    table: pa.Table
    dead: tuple[Dead, ...]
    schema: MessageSchema


def decode(values: Sequence[bytes | None], schema: MessageSchema) -> Decoded:
    """Decode a batch of JSON objects.

    Args:
        values: bytes of the messages; ``None`` is a message without a value.
        schema: declared columns, and those accepted so far.
    """
    from datamill_pipelines.stream.doubtful import decode_each  # noqa: PLC0415 - the two ways use each other

    table = decode_clean(values, schema)
    if table is not None:
        return Decoded(table, (), schema)
    if len(values) <= FEW:
        return decode_each(values, schema)
    half = len(values) // 2
    left = decode(values[:half], schema)
    right = decode(values[half:], left.schema)
    dead = (*left.dead, *(Dead(half + each.index, each.reason) for each in right.dead))
    return Decoded(pa.concat_tables([conform(left.table, right.schema), right.table]), dead, right.schema)


def decode_clean(values: Sequence[bytes | None], schema: MessageSchema, *, measured: bool = False) -> pa.Table | None:
    """The table of a batch in which every message is good and usual, else ``None``.

    Args:
        values: bytes of the messages.
        schema: their columns.
        measured: it is known that no message is nested too deep.
    """
    if not values:
        return schema.arrow().empty_table()
    try:
        joined = b"\n".join(values)  # type: ignore[arg-type]  # a missing value is a TypeError
    except TypeError:
        return None
    longest = _longest_line(joined, len(values))
    if not _is_text(joined) or longest is None or (longest > SHORT and not measured and any(map(may_be_deep, values))):
        return None
    try:
        table = pj.read_json(
            pa.BufferReader(joined),  # type: ignore[arg-type]  # the stubs do not know that Arrow's own files are files
            # An object must not reach over more than two blocks.
            read_options=pj.ReadOptions(block_size=max(BLOCK, longest + 2)),
            parse_options=pj.ParseOptions(explicit_schema=schema.arrow(), unexpected_field_behavior="infer"),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != len(values):
        return None
    return _accepted(table, schema)


def conform(table: pa.Table, schema: MessageSchema) -> pa.Table:
    """The table with the columns of a schema that has more."""
    wanted = schema.arrow()
    if table.schema.equals(wanted):
        return table
    have = set(table.column_names)
    return pa.table(
        [table[field.name] if field.name in have else pa.nulls(table.num_rows, field.type) for field in wanted],
        schema=wanted,
    )


def may_be_deep(value: bytes | None) -> bool:
    """Whether a message has to be measured before a recursive parser may see it."""
    if value is None or len(value) <= SHORT:
        return False
    return value.count(b"[") + value.count(b"{") > MOST_BRACKETS


def _is_text(joined: bytes) -> bool:
    if joined.isascii():
        return True
    try:
        joined.decode()
    except UnicodeDecodeError:
        return False
    return True


def _longest_line(joined: bytes, count: int) -> int | None:
    """Bytes of the longest message, or ``None`` unless each is one line that begins with a brace.

    A line that begins with a brace gives at least one row or an error; so as many rows as lines mean one row per line.
    """
    characters = np.frombuffer(joined, np.uint8)
    breaks = np.flatnonzero(characters == LINE_BREAK)
    if len(breaks) != count - 1 or not joined or joined[0] != BRACE or joined.endswith(b"\n"):
        return None
    if not (characters[breaks + 1] == BRACE).all():
        return None
    edges = np.concatenate(([-1], breaks, [len(joined)]))
    return int(np.diff(edges).max())


def _accepted(table: pa.Table, schema: MessageSchema) -> pa.Table | None:
    """The table if it has no new column with values, no required value is missing, and every number is one."""
    wanted = schema.arrow()
    if any(not pa.types.is_null(field.type) for field in table.schema if field.name not in wanted.names):
        return None
    if any(table[name].null_count for name in schema.required()):
        return None
    table = table.select(wanted.names)
    if not table.schema.equals(wanted):
        return None
    for field in wanted:
        if pa.types.is_floating(field.type) and not pc.all(pc.is_finite(table[field.name]), min_count=0).as_py():
            # NaN and Infinity are not JSON, though the parser takes them.
            return None
    return table
