"""Merging: an algebra that a person can predict, with origins."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamill_infra.model.errors import ConfigurationError, UnknownNameError
from datamill_infra.model.merging import LAYERS, Layer, merge

# The kind of a value follows from its key, so that any two trees fit together.
SCALARS = {"n": st.integers(), "t": st.text(max_size=3), "f": st.booleans(), "l": st.lists(st.integers(), max_size=2)}
LEAVES: Any = st.fixed_dictionaries({}, optional=SCALARS)
TREES: Any = st.recursive(
    LEAVES, lambda below: st.fixed_dictionaries({}, optional={**SCALARS, "m": below, "k": below}), max_leaves=12
)


def open_merge(*trees: dict[str, object]) -> dict[str, object]:
    return merge([Layer("base", tree) for tree in trees], closed=False).tree()


def by_hand(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    """The rule, written another way."""
    result = dict(low)
    for key, value in high.items():
        result[key] = by_hand(low.get(key, {}), value) if isinstance(value, dict) else value
    return result


@given(TREES, TREES)
def test_mappings_merge_key_by_key_and_all_else_replaces(low: dict[str, Any], high: dict[str, Any]) -> None:
    assert by_hand(low, high) == open_merge(low, high)


@given(TREES, TREES, TREES)
def test_merging_is_associative(a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
    assert open_merge(open_merge(a, b), c) == open_merge(a, open_merge(b, c)) == open_merge(a, b, c)


@given(TREES)
def test_nothing_over_or_under_a_tree_changes_it(tree: dict[str, Any]) -> None:
    assert tree == open_merge(tree, {}) == open_merge({}, tree) == open_merge(tree, tree)


@given(TREES, TREES)
def test_layers_are_left_as_they_were(low: dict[str, Any], high: dict[str, Any]) -> None:
    before = copy.deepcopy((low, high))
    open_merge(low, high)
    assert before == (low, high)


@given(st.lists(TREES, min_size=1, max_size=len(LAYERS)))
def test_every_value_names_the_highest_layer_that_sets_it(trees: list[dict[str, Any]]) -> None:
    layers = [
        Layer(name, tree, lambda path, n=name: f"{n}:{'.'.join(path)}")
        for name, tree in zip(LAYERS, trees, strict=False)
    ]
    for path, leaf in merge(layers, closed=False).leaves.items():
        if leaf.value == {}:
            continue
        setters = []
        for layer in layers:
            found: Any = layer.tree
            for part in path:
                found = found.get(part) if isinstance(found, dict) else None
            setters += [layer.name] if found is not None else []
        assert leaf.layer == setters[-1]
        assert leaf.source == f"{setters[-1]}:{'.'.join(path)}"


@given(TREES, st.data())
def test_any_part_of_the_defaults_may_be_overridden(defaults: dict[str, Any], data: st.DataObject) -> None:
    def part(tree: dict[str, Any]) -> dict[str, Any]:
        keys = data.draw(st.lists(st.sampled_from(sorted(tree)), unique=True)) if tree else []
        return {key: part(tree[key]) if isinstance(tree[key], dict) else data.draw(SCALARS[key]) for key in keys}

    override = part(defaults)
    merged = merge([Layer("base", defaults, defaults=True), Layer("user", override)])
    assert by_hand(defaults, override) == merged.tree()


@given(TREES.filter(lambda tree: tree))
def test_a_key_that_is_not_declared_is_refused_and_the_nearest_offered(defaults: dict[str, Any]) -> None:
    key = min(defaults)
    with pytest.raises(UnknownNameError) as caught:
        merge([Layer("base", {"heap_" + key: 1}, defaults=True), Layer("user", {"heap__" + key: 1})])
    assert caught.value.nearest == "heap_" + key


def test_the_message_names_file_key_component_and_nearest_key() -> None:
    layers = [
        Layer("base", {"jvm": {"heap": "512m"}}, defaults=True),
        Layer(
            "user", {"jvm": {"heep": "1g"}}, lambda path: f"deployment.yaml:7: components.kafka.values.{'.'.join(path)}"
        ),
    ]
    with pytest.raises(UnknownNameError) as caught:
        merge(layers, subject="kafka")
    assert str(caught.value) == (
        "deployment.yaml:7: components.kafka.values.jvm.heep: there is no value of kafka 'jvm.heep'.\n"
        "Did you mean 'jvm.heap'?"
    )


def test_a_mapping_left_empty_takes_any_key_however_deep() -> None:
    layers = [Layer("base", {"settings": {}}, defaults=True), Layer("user", {"settings": {"a.b": {"c": 1}}})]
    assert merge(layers).tree() == {"settings": {"a.b": {"c": 1}}}


def test_a_mapping_with_keys_stays_closed_beside_an_open_one() -> None:
    layers = [
        Layer("base", {"settings": {}, "jvm": {"heap": "1g"}}, defaults=True),
        Layer("user", {"jvm": {"gc": "G1"}}),
    ]
    with pytest.raises(UnknownNameError, match=r"jvm\.gc"):
        merge(layers)


@pytest.mark.parametrize(
    ("default", "given_value", "wanted"),
    [
        ("512m", 512, "text"),
        (1, "one", "a number"),
        (True, 1, "true or false"),
        ([1], "1", "a list"),
        ({"a": 1}, 2, "a mapping"),
        (1, {"a": 1}, "a number"),
    ],
)
def test_a_value_may_not_become_another_kind(default: object, given_value: object, wanted: str) -> None:
    with pytest.raises(ConfigurationError, match=f"the value 'key' of c is {wanted}, and") as caught:
        merge([Layer("base", {"key": default}, defaults=True), Layer("user", {"key": given_value})], subject="c")
    assert caught.value.instruction.startswith(f"Write {wanted}")


@pytest.mark.parametrize(
    ("default", "given_value"),
    [(None, 3), (None, {"a": 1}), ({"a": 1}, None), ("${ports.http}", 80), (80, "${ports.http}"), (1, 2.5)],
)
def test_null_and_templates_fit_any_kind(default: object, given_value: object) -> None:
    layers = [Layer("base", {"key": default}, defaults=True), Layer("user", {"key": given_value})]
    assert merge(layers).tree() == {"key": given_value}


def test_a_key_of_another_provider_is_passed_over() -> None:
    elsewhere = merge([Layer("base", {"replicas": 1, "pod": {"memory": "1Gi"}}, defaults=True)])
    layers = [
        Layer("base", {"heap": "1g"}, defaults=True),
        Layer("flavour", {"replicas": 3, "pod": {"memory": "2Gi"}, "heap": "2g"}),
    ]
    assert merge(layers, elsewhere=[elsewhere]).tree() == {"heap": "2g"}


def test_an_empty_mapping_has_an_origin_too() -> None:
    merged = merge([Layer("base", {"settings": {}}, lambda _: "component.yaml:3", defaults=True)])
    assert merged.to_dict() == {"settings": {"value": {}, "layer": "base", "source": "component.yaml:3"}}
