"""Bytes to columns: every message gets one verdict, whatever its neighbours in the batch are."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamill_pipelines.stream.codec import FEW, conform, decode, decode_clean
from datamill_pipelines.stream.doubtful import decode_each
from datamill_pipelines.stream.schema import Column, MessageSchema

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = MessageSchema(
    (
        Column("a", "int64", required=True),
        Column("f", "double"),
        Column("s", "string"),
        Column("b", "bool"),
        Column("t", "timestamp[us, tz=UTC]"),
        Column("l", "list<int64>"),
    )
)
GOOD = b'{"a":1,"f":1.5,"s":"x","b":true,"t":"2013-01-01T10:00:00Z","l":[1,2]}'

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)
keys = st.sampled_from(["a", "f", "s", "b", "t", "l", "new", "other", ""])
likely = st.fixed_dictionaries(
    {"a": st.integers(-5, 5)},
    optional={
        "f": st.floats(),
        "s": st.text(max_size=3),
        "b": st.booleans(),
        "new": st.integers() | st.floats() | st.text(max_size=2),
    },
)
objects = likely | st.dictionaries(keys, json_values, max_size=5)
styles = st.sampled_from([{}, {"separators": (",", ":")}, {"indent": 1}, {"ensure_ascii": False}])
texts = st.builds(
    lambda value, style: json.dumps(value, **style).encode("utf-8", "surrogatepass"), objects | json_values, styles
)
oddities = st.sampled_from(
    [
        None,
        b"",
        b" ",
        b"null",
        b"[]",
        b"{",
        b"}",
        b'{"a":1}{"a":2}',
        b'{"a":1} {"a":2}',
        b'{"a":1}\n{"a":2}',
        b'{"a":1}\n',
        b'\n{"a":1}',
        b'  {"a":7}  ',
        b'{"a":1}\r\n',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":1,"a":2}',
        b'{"a":1,"s":"x","s":"y"}',
        b'{"a":1,"new":"x","new":"y"}',
        b'{"a":1,"s":"\xff"}',
        b'{"a":1,"\xff":1}',
        b'{"a":1,"s":"\\ud800"}',
        b'{"a":1,"s":"\\ud83d\\ude00"}',
        b'{"a":1,"\\u0066":2}',
        b'{"a":1,"f":NaN}',
        b'{"a":1,"f":1e999}',
        b'{"a":1,"f":1.7976931348623157e309}',
        b'{"a":1,"new":NaN}',
        b'{"a":1,"t":"yesterday"}',
        b'{"a":1,"t":"2013-01-01T10:00:00.1234567Z"}',
        b'{"a":1,"t":5}',
        b'{"a":1,"l":[1,"x"]}',
        b'{"a":1,"l":[[1]]}',
        b'{"a":1,"new":{"x":1}}',
        b'{"a":1,"new":[1]}',
        b'{"a":1,"new":null}',
        b'{"a":9223372036854775808}',
        b'{"a":1,"new":9223372036854775808}',
        b'{"a":1,"s":"a\nb"}',
        b'{"a":1,"s":"a\\nb"}',
        b'{"a":1,"deep":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"a":1,"s":"' + b"[" * 3000 + b'"}',
        b"\x00",
        b'{"a":1}\x00',
    ]
)
messages = texts | oddities | st.binary(max_size=8) | st.just(GOOD)


def one_by_one(
    values: Sequence[bytes | None], schema: MessageSchema
) -> tuple[list[dict[str, object]], list[tuple[int, str]], MessageSchema]:
    rows: list[dict[str, object]] = []
    dead: list[tuple[int, str]] = []
    for index, value in enumerate(values):
        decoded = decode([value], schema)
        schema = decoded.schema
        rows += decoded.table.to_pylist()
        dead += [(index, each.reason) for each in decoded.dead]
    return [{name: row.get(name) for name in schema.types()} for row in rows], dead, schema


@settings(max_examples=150, deadline=None)
@given(st.lists(messages, max_size=12), st.integers(0, 12))
def test_a_verdict_does_not_depend_on_the_batch(values: list[bytes | None], cut: int) -> None:
    rows, dead, schema = one_by_one(values, SCHEMA)

    whole = decode(values, SCHEMA)
    left = decode(values[:cut], SCHEMA)
    right = decode(values[cut:], left.schema)

    assert rows == whole.table.to_pylist()
    assert dead == [(each.index, each.reason) for each in whole.dead]
    assert schema == whole.schema == right.schema
    assert rows == conform(left.table, schema).to_pylist() + right.table.to_pylist()


@settings(max_examples=200, deadline=None)
@given(messages)
def test_what_the_fast_way_takes_the_careful_way_takes_with_the_same_columns(value: bytes | None) -> None:
    fast = decode_clean([value], SCHEMA)
    careful = decode_each([value], SCHEMA)
    if fast is not None:
        assert () == careful.dead
        assert fast.equals(careful.table)


def test_an_unusual_message_in_a_large_batch_costs_only_itself() -> None:
    values: list[bytes | None] = [b'{"a":%d}' % number for number in range(20 * FEW)]
    values[777] = b"not json"
    values[778] = b'{"a":778,"new":"x"}'
    values[900] = b'{"a":900,"new":5}'

    decoded = decode(values, SCHEMA)

    assert [777, 900] == [each.index for each in decoded.dead]
    assert "not JSON" in decoded.dead[0].reason
    assert "wrong type: 'new' is an integer, and the column is string" == decoded.dead[1].reason
    assert [number for number in range(20 * FEW) if number not in (777, 900)] == decoded.table["a"].to_pylist()
    assert {"new": "string"} == decoded.schema.accepted


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no value"),
        (b"garbage", "not JSON"),
        (b"", "not JSON"),
        (b"[1]", "not a JSON object but an array"),
        (b"null", "not a JSON object but null"),
        (b'{"f":1}', "missing key 'a'"),
        (b'{"a":null}', "'a' is null"),
        (b'{"a":"1"}', "wrong type: 'a' is a string, and the column is int64"),
        (b'{"a":1.0}', "wrong type: 'a' is a real number, and the column is int64"),
        (b'{"a":true}', "wrong type: 'a' is true or false, and the column is int64"),
        (b'{"a":1,"s":5}', "wrong type: 's' is an integer, and the column is string"),
        (b'{"a":1,"s":{"x":1}}', "wrong type: 's' is an object, and the column is string"),
        (b'{"a":9223372036854775808}', "wrong type: 'a' is beyond 64 bits"),
        (b'{"a":1,"a":2}', "the parser refuses it"),
        (b'{"a":1,"t":"yesterday"}', "the parser refuses it"),
        (b'{"a":1,"new":[1]}', "new key 'new' is an array that no column can hold undeclared"),
        (b'{"a":1,"new":' + b"[" * 400_000 + b"]" * 400_000 + b"}", "not JSON"),
    ],
)
def test_a_bad_message_gets_its_reason(value: bytes | None, reason: str) -> None:
    decoded = decode([GOOD, value, GOOD], SCHEMA)

    assert [1] == [each.index for each in decoded.dead]
    assert decoded.dead[0].reason.startswith(reason)
    assert 2 == decoded.table.num_rows


def test_a_new_key_gets_the_type_of_its_first_value_and_keeps_it() -> None:
    decoded = decode([b'{"a":1,"n":null}', b'{"a":2,"n":2}', b'{"a":3,"n":2.5}', b'{"a":4}'], SCHEMA)

    assert {"n": "int64"} == decoded.schema.accepted
    assert [None, 2, None] == decoded.table["n"].to_pylist()
    assert [2] == [each.index for each in decoded.dead]


def test_a_bad_message_adds_no_column() -> None:
    decoded = decode([b'{"new":1}', b'{"a":1,"new":"x"}'], SCHEMA)

    assert {"new": "string"} == decoded.schema.accepted


def test_a_number_is_finite() -> None:
    decoded = decode([b'{"a":1,"f":0.1}', b'{"a":1,"f":Infinity}', b'{"a":1,"f":null}'], SCHEMA)

    assert [0.1, None] == decoded.table["f"].to_pylist()
    assert all(value is None or math.isfinite(value) for value in decoded.table["f"].to_pylist())
