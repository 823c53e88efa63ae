"""Templates: types are kept, literals survive, and a wrong reference says what there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamill_infra.model.errors import ConfigurationError, UnknownNameError
from datamill_infra.model.templates import Reference, Refused, escape, parse, references, resolve_value

NAMES = st.from_regex(r"[a-z0-9_-]{1,5}", fullmatch=True)
REFERENCES = st.lists(NAMES, min_size=1, max_size=3).map(lambda path: Reference(tuple(path)))
SCALARS = st.one_of(
    st.booleans(), st.integers(), st.floats(allow_nan=False), st.none(), st.text(max_size=5).map(escape)
)
JSON = st.recursive(
    SCALARS,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(st.text(max_size=3), below, max_size=3)),
    max_leaves=8,
)


@given(st.text())
def test_escaped_text_resolves_to_itself(text: str) -> None:
    assert text == resolve_value(escape(text), {})


@given(st.lists(st.one_of(REFERENCES, st.text("ab$ {}.", min_size=1))))
def test_parsing_finds_every_reference_and_every_literal(pieces: list[str | Reference]) -> None:
    written = "".join(str(piece) if isinstance(piece, Reference) else escape(piece) + "|" for piece in pieces)
    found = parse(written)
    assert [piece for piece in pieces if isinstance(piece, Reference)] == [p for p in found if isinstance(p, Reference)]
    literals = "".join(piece + "|" for piece in pieces if isinstance(piece, str))
    assert literals == "".join(piece for piece in found if isinstance(piece, str))


@given(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.text(),
        st.none(),
        st.lists(st.integers()),
        st.dictionaries(st.text(), st.integers()),
    )
)
def test_a_template_that_is_the_whole_text_keeps_the_type(value: object) -> None:
    resolved = resolve_value("${a.b}", {"a": {"b": value}})
    assert (value, type(value)) == (resolved, type(resolved))


@given(st.one_of(st.integers(), st.text(), st.booleans()))
def test_a_template_inside_text_becomes_text(value: object) -> None:
    expected = f"<{str(value).lower() if isinstance(value, bool) else value}>"
    assert expected == resolve_value("<${a}>", {"a": value})


@given(JSON)
def test_a_tree_without_templates_is_left_alone(tree: object) -> None:
    assert references(tree) == []
    once = resolve_value(tree, {})
    assert once == resolve_value(_escaped(once), {})


def _escaped(value: object) -> object:
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return {key: _escaped(item) for key, item in value.items()} if isinstance(value, dict) else value


@given(st.text())
def test_what_a_template_brings_in_is_not_resolved_again(text: str) -> None:
    assert resolve_value("${a} ", {"a": text}) == text + " "


def test_templates_are_resolved_in_lists_and_mappings_but_not_in_keys() -> None:
    value = {"${x}": ["${x}", {"deep": "${x}"}]}
    assert resolve_value(value, {"x": 1}) == {"${x}": [1, {"deep": 1}]}


def test_a_misspelt_reference_names_the_place_and_the_nearest_fact() -> None:
    with pytest.raises(UnknownNameError) as caught:
        resolve_value("${s3.endpont}", {"s3": {"endpoint": "e", "region": "r"}}, where="component.yaml:9: values.url")
    assert str(caught.value) == (
        "component.yaml:9: values.url: there is no fact '${s3.endpont}' to refer to: s3 has no 'endpont'.\n"
        "Did you mean 'endpoint'?"
    )


def test_a_refused_fact_says_why() -> None:
    facts = {"s3": {"secret_key": Refused("is a secret", "Take it from the context.")}}
    with pytest.raises(ConfigurationError, match=r"file:1: \$\{s3\.secret_key\} is a secret\."):
        resolve_value("key=${s3.secret_key}", facts, where="file:1")


@pytest.mark.parametrize("text", ["${", "${a", "${}", "${a b}", "${a..b}", "${a:-1}", "x ${A B} y"])
def test_what_is_not_a_template_is_refused_with_the_way_to_write_it(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a template") as caught:
        parse(text)
    assert "$${" in caught.value.instruction


def test_a_mapping_cannot_stand_inside_text() -> None:
    with pytest.raises(ConfigurationError, match="cannot stand inside text"):
        resolve_value("a ${s3}", {"s3": {"endpoint": "e"}})
