"""Reading YAML: nothing is lost or re-typed silently, and every message names the place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamill_infra.model.documents import dotted, load_document, parse_document
from datamill_infra.model.errors import ConfigurationError

FILE = Path("some/file.yaml")


def test_a_key_given_twice_is_refused_with_both_lines() -> None:
    with pytest.raises(ConfigurationError, match=r"some/file\.yaml:4: a\.b: the key is given twice, first on line 2"):
        parse_document("a:\n  b: 1\n  c: 2\n  b: 3\n", FILE)


@pytest.mark.parametrize(
    "text", ["yes", "on", "off", "No", "12:30", "1:20:30", "2013-01-01", "0123", "0x1f", ".inf", "1_000"]
)
def test_text_that_old_yaml_retypes_stays_text(text: str) -> None:
    assert parse_document(f"key: {text}", FILE).data == {"key": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
    ],
)
def test_plain_scalars_have_their_kind(text: str, value: object) -> None:
    assert parse_document(f"key: {text}", FILE).data == {"key": value}


def test_every_value_knows_its_line() -> None:
    document = parse_document("a:\n  - x\n  - b: 1\n    c:\n      d: 2\n", FILE)
    assert document.where(("a", 1, "c", "d")) == "some/file.yaml:5: a[1].c.d"


def test_a_value_that_is_not_there_has_the_line_of_its_parent() -> None:
    document = parse_document("x: 0\na:\n  b: 1\n", FILE)
    assert document.where(("a", "missing", "deeper")) == "some/file.yaml:2: a.missing.deeper"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- a\n- b\n", "is not a mapping"),
        ("1: a\n", "the key '1' is not text"),
        ("a: !python/name:os.system x\n", "the tag .* is not supported"),
        ("a: &x [*x]\n", "an alias refers to a value that contains it"),
        ("a: [1, 2\n", "not valid YAML"),
        ("a: b: c\n", "not valid YAML"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_file(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"some/file\.yaml.*{reason}"):
        parse_document(text, FILE)


def test_an_empty_file_is_an_empty_mapping() -> None:
    assert parse_document("# nothing\n", FILE).data == {}


def test_merge_keys_work_and_the_own_key_wins() -> None:
    assert parse_document("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\n", FILE).data["y"] == {"a": 1, "b": 3}


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load_document(tmp_path / "none.yaml")


def test_a_file_that_is_not_utf8_says_so(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("key: caf\u00e9".encode("latin-1"))
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        load_document(tmp_path / "latin.yaml")


@given(
    st.lists(st.one_of(st.text("abc", min_size=1), st.integers(0, 9)), min_size=1).filter(
        lambda x: isinstance(x[0], str)
    )
)
def test_dotted_keys_keep_every_part(location: list[str | int]) -> None:
    text = dotted(tuple(location))
    assert [part for part in text.replace("[", ".").replace("]", "").split(".") if part] == [str(p) for p in location]
