"""Messages that the fast way of :mod:`~datamill_pipelines.stream.codec` did not take, looked at one by one.

Here bad messages get their reason, new keys their column, and good but unusual ones (line breaks between keys,
white space in front) a form that the parser takes. The parser still has the last word on each.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import orjson

from datamill_pipelines.stream.codec import Dead, Decoded, decode_clean
from datamill_pipelines.stream.schema import MOST_COLUMNS, contradiction, said, type_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamill_pipelines.stream.schema import MessageSchema

REFUSED = "the parser refuses it (a key that occurs twice, or text that is not of the column's type)"


def decode_each(values: Sequence[bytes | None], schema: MessageSchema) -> Decoded:
    """Decode few messages, one after the other. See :func:`datamill_pipelines.stream.codec.decode`."""
    refused: dict[int, str] = {}
    while True:
        after, lines, dead = _judge(values, schema, refused)
        table = decode_clean(list(lines.values()), after, measured=True)
        if table is not None:
            return Decoded(table, tuple(dead), after)
        # Only what the parser alone knows: repeated keys, text that is no timestamp. One at a time, because
        # a refused message must not have added a column.
        culprit = next(index for index, line in lines.items() if decode_clean([line], after, measured=True) is None)
        refused[culprit] = REFUSED


def _judge(
    values: Sequence[bytes | None], schema: MessageSchema, refused: dict[int, str]
) -> tuple[MessageSchema, dict[int, bytes], list[Dead]]:
    """Schema afterwards, the good messages as lines by index, and the bad ones."""
    lines: dict[int, bytes] = {}
    dead: list[Dead] = []
    for index, value in enumerate(values):
        reason = refused.get(index)
        new: dict[str, str] = {}
        if reason is None:
            reason, new = _verdict(value, schema)
        if reason is None and value is not None:
            schema = schema.accept(new)
            lines[index] = value.lstrip(b" \t\r\n").replace(b"\n", b" ")
        else:
            dead.append(Dead(index, reason or "no value"))
    return schema, lines, dead


def _verdict(value: bytes | None, schema: MessageSchema) -> tuple[str | None, dict[str, str]]:
    """Why a message is bad, or ``None`` and the columns it adds."""
    if value is None:
        return "no value", {}
    try:
        # Also the guard against deep nesting: it ends at 1,024 levels, before the recursive parser would.
        message = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return f"not JSON: {error}", {}
    if not isinstance(message, dict):
        return f"not a JSON object but {said(message) if message is not None else 'null'}", {}
    for name in schema.required():
        if message.get(name) is None:
            return f"{name!r} is null" if name in message else f"missing key {name!r}", {}
    return _fit(message, schema.types())


def _fit(message: dict[str, Any], types: dict[str, str]) -> tuple[str | None, dict[str, str]]:
    new: dict[str, str] = {}
    for name, value in message.items():
        if value is None:
            continue
        if name in types:
            reason = contradiction(name, types[name], value)
            if reason:
                return reason, {}
        elif isinstance(value, float) and not math.isfinite(value):
            return f"not JSON: {name!r} is not a finite number", {}
        else:
            type_ = type_of(value)
            if type_ is None:
                return f"new key {name!r} is {said(value)} that no column can hold undeclared", {}
            if len(types) + len(new) >= MOST_COLUMNS:
                return f"new key {name!r}, and there are {MOST_COLUMNS} columns already", {}
            new[name] = type_
    return None, new
