"""Flavours: extending, adding, dropping, overriding; and what is wrong in a file."""

from __future__ import annotations

import pytest
from infra.model.room import Room, says

from datamill_infra.model.errors import ConfigurationError, UnknownNameError
from datamill_infra.model.flavours import Flavours


@pytest.fixture
def filled(room: Room) -> Room:
    room.component(
        "broker", "provides: [kafka]\nembedded: {entry: null, values: {heap: 1g, size: {disk: 1, memory: 2}}}\n"
    )
    room.component("store", "provides: [s3]\nembedded: {entry: null}\n")
    room.component("other-store", "provides: [s3]\nembedded: {entry: null}\n")
    room.component("tracker", "provides: [mlflow]\nneeds: {s3: {}}\nembedded: {entry: null}\n")
    room.flavour("base", "components: [broker, store]\noverride: {broker: {values: {heap: 2g, size: {disk: 10}}}}\n")
    return room


def test_an_extension_adds_drops_and_merges_overrides(filled: Room) -> None:
    filled.flavour("middle", "extends: base\nadd: [tracker]\noverride: {broker: {values: {size: {memory: 4}}}}\n")
    filled.flavour("top", "extends: middle\ndrop: [tracker]\noverride: {broker: {values: {heap: 3g}}}\n")
    flat = filled.flavours.flatten("top")
    assert flat.lineage == ("base", "middle", "top")
    assert list(flat.components) == ["broker", "store"]
    values = filled.deploy("flavour: top\n").values("broker")
    assert values.tree() == {"heap": "3g", "size": {"disk": 10, "memory": 4}}
    sources = {path: leaf.source.rsplit("/", maxsplit=1)[-1] for path, leaf in values.leaves.items()}
    assert sources == {
        ("heap",): "top.yaml:5: override.broker.values.heap",
        ("size", "disk"): "base.yaml:4: override.broker.values.size.disk",
        ("size", "memory"): "middle.yaml:5: override.broker.values.size.memory",
    }


def test_dropping_a_component_drops_what_was_said_about_it(filled: Room) -> None:
    filled.flavour("two", "components: [broker, store, other-store]\nbind: {s3: store}\noverride: {store: {}}\n")
    filled.flavour("one", "extends: two\ndrop: [store]\n")
    flat = filled.flavours.flatten("one")
    assert flat.bind == {}
    assert [list(parts) for _, parts in flat.overrides] == [[], []]
    assert filled.resolve("one").capability("s3") == "other-store"


def test_a_flavour_may_have_other_components_on_a_cluster(filled: Room) -> None:
    filled.component("operator", "provides: [mqtt]\nhelm: {units: []}\n")
    filled.component("server", "provides: [mqtt]\nembedded: {entry: null}\n")
    places = "by_provider: {embedded: [server], helm: [operator]}\n"
    filled.flavour("both", f"components: [dataless]\n{places}override: {{server: {{}}, operator: {{}}}}\n")
    filled.component("dataless", "provides: [s3]\nembedded: {entry: null}\nhelm: {units: []}\n")
    here, there = filled.resolve("both"), filled.resolve("both", target="kind")
    assert {"dataless", "server"} == set(here.members)
    assert {"dataless", "operator"} == set(there.members)
    filled.flavour("fewer", "extends: both\ndrop: [operator]\n")
    assert {"dataless"} == set(filled.resolve("fewer", target="kind").members)
    assert {"dataless", "server"} == set(filled.resolve("fewer").members)


def test_something_else_may_stand_in_a_components_place_on_one_kind_of_target(filled: Room) -> None:
    for name in ("large", "small", "tiny"):
        filled.component(name, "provides: [s3]\nhelm: {units: []}\n")
    filled.flavour("sized", "components: [large]\nby_target: {lab: {large: small}}\noverride: {small: {}}\n")
    filled.flavour("mine", "extends: sized\nby_target: {kind: {large: small}, lab: {large: tiny}}\n")
    filled.component("pump", "provides: [water]\nhelm: {units: []}\n")
    filled.component("well", "provides: [water]\nhelm: {units: []}\n")
    filled.flavour("both", "extends: sized\nadd: [pump]\nby_target: {lab: {pump: well}}\n")
    filled.flavour("fewer", "extends: sized\ndrop: [small]\n")

    def on(flavour: str, target: str) -> list[str]:
        return list(filled.resolve(flavour, target=target).members)

    assert [["large"], ["small"]] == [on("sized", "kind"), on("sized", "lab")]
    assert [["small"], ["tiny"]] == [on("mine", "kind"), on("mine", "lab")]
    assert ["large"] == on("fewer", "lab")
    assert ["small", "well"] == on("both", "lab")
    assert "by_target.lab.large" in filled.resolve("sized", target="lab").members["small"].where


def test_the_users_flavour_hides_one_of_the_package(room: Room) -> None:
    other = Room(room.home / "other")
    mine, theirs = room.flavour("demo", "components: [a]\n"), other.flavour("demo", "components: [b]\n")
    assert Flavours.load([mine.parent, theirs.parent])["demo"].components == ("a",)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "extends: bse\nadd: [tracker]\n",
            r"flavours/bad\.yaml:3: extends: there is no flavour 'bse'.*Did you mean 'base'\?",
        ),
        ("components: [broker, strore]\n", r"bad\.yaml:3: components\[1\]: there is no component 'strore'.*'store'"),
        (
            "extends: base\nby_target: {lub: {broker: tracker}}\n",
            r"bad\.yaml:4: by_target\.lub: there is no target 'lub'.*'lab'",
        ),
        (
            "extends: base\nby_target: {lab: {brokr: tracker}}\n",
            r"bad\.yaml:4: by_target\.lab\.brokr: there is no component of 'bad' 'brokr'.*'broker'",
        ),
        ("extends: base\nadd: [trackr]\n", r"bad\.yaml:4: add\[0\]: there is no component 'trackr'.*'tracker'"),
        (
            "extends: base\ndrop: [brokr]\n",
            r"bad\.yaml:4: drop\[0\]: there is no component of 'base' 'brokr'.*'broker'",
        ),
        ("extends: base\ndrop: [tracker]\n", r"drop\[0\]: there is no component of 'base' 'tracker'"),
        ("component: [broker]\n", r"bad\.yaml:3: component: there is no key 'component'.*'components'"),
        ("extends: base\noverrides: {broker: {}}\n", r"there is no key 'overrides'.*'override'"),
        (
            "extends: base\noverride: {broker: {value: {}}}\n",
            r"override\.broker\.value: there is no key 'value'.*'values'",
        ),
        (
            "extends: base\noverride: {brokr: {}}\n",
            r"override\.brokr: there is no component in this deployment 'brokr'.*'broker'",
        ),
        ("extends: base\noverride: {tracker: {}}\n", r"override\.tracker: tracker is not part of the deployment"),
        (
            "extends: base\noverride: {broker: {values: {heep: 1g}}}\n",
            r"override\.broker\.values\.heep: there is no value of broker 'heep'.*'heap'",
        ),
        (
            "extends: base\noverride: {broker: {values: {heap: 1}}}\n",
            r"values\.heap: the value 'heap' of broker is text, and a number was given",
        ),
        ("extends: base\noverride: {broker: {variant: strimzi}}\n", r"there is no variant of broker 'strimzi'"),
        ("extends: base\noverride: {broker: {units: {a: {}}}}\n", r"units\.a: there is no unit of broker 'a'"),
        (
            "extends: base\nbind: {s4: store}\n",
            r"bad\.yaml:4: bind\.s4: there is no capability in this flavour 's4'.*'s3'",
        ),
        ("extends: base\nbind: {s3: stroe}\n", r"bind\.s3: there is no component that provides 's3' 'stroe'.*'store'"),
        ("extends: base\nbind: {s3: broker}\n", r"bind\.s3: there is no component that provides 's3' 'broker'.*store"),
        ("extends: base\nbind: {s3: other-store}\n", r"bind\.s3: other-store is not part of the deployment"),
        ("extends: base\nbind: {s3: target}\n", r"bind\.s3: the target 'embedded' does not give 's3'"),
        ("extends: base\ncomponents: [tracker]\n", "Write `add` instead"),
        ("add: [tracker]\n", "Write `extends`, or use `components`"),
        ("{}\n", "the flavour is empty"),
        ("components: [broker, broker]\n", "`components` has 'broker' twice"),
    ],
)
def test_what_is_wrong_in_a_flavour_is_said_with_file_key_and_nearest_name(
    filled: Room, body: str, message: str
) -> None:
    filled.flavour("bad", body if body != "{}\n" else "")
    with pytest.raises(ConfigurationError) as caught:
        filled.deploy("flavour: bad\n")
    assert says(caught.value, message)


def test_flavours_that_extend_each_other_are_named_in_a_circle(room: Room) -> None:
    for name, parent in [("a", "b"), ("b", "c"), ("c", "a")]:
        room.flavour(name, f"extends: {parent}\n")
    with pytest.raises(ConfigurationError, match="the flavours extend each other: a -> b -> c -> a"):
        room.flavours.flatten("a")


def test_an_unknown_flavour_offers_the_nearest(filled: Room) -> None:
    with pytest.raises(UnknownNameError) as caught:
        filled.resolve("bsae")
    assert str(caught.value) == "there is no flavour 'bsae'.\nDid you mean 'base'?"
