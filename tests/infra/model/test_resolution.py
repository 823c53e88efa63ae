"""Resolution: a flavour is closed, unambiguous and in order, or says exactly what to write."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from infra.model.room import Room

from datamill_infra.model.errors import ConfigurationError, UnknownNameError
from datamill_infra.model.graph import levels, reachable

PROVIDER = "provides: [{0}]\nembedded: {{entry: null}}\nexternal: {{{0}: {{}}}}\n"


@pytest.fixture
def shop(room: Room) -> Room:
    """Two object stores, two brokers, and consumers."""
    for name, capability in [("minio", "s3"), ("garage", "s3"), ("artemis", "mqtt"), ("mosquitto", "mqtt")]:
        room.component(name, PROVIDER.format(capability))
    room.component("tracker", "provides: [mlflow]\nneeds: {s3: {bucket: models}}\nembedded: {entry: null}\n")
    room.component("server", "provides: [inference]\nneeds: {mlflow: {}, s3: {}}\nembedded: {entry: null}\n")
    room.component("notebook", "uses: {mlflow: {}, mqtt: {}}\nembedded: {entry: null}\n")
    return room


def test_levels_follow_the_needs_and_independent_components_share_one(shop: Room) -> None:
    shop.flavour("f", "components: [server, tracker, minio, artemis, notebook]\n")
    resolution = shop.resolve("f")
    assert resolution.order == [["artemis", "minio"], ["tracker"], ["notebook", "server"]]
    assert resolution.sequence() == ["artemis", "minio", "tracker", "notebook", "server"]
    assert resolution.dependencies("server") == {"minio", "tracker"}
    assert resolution.dependants("minio") == {"tracker", "server"}
    assert resolution.closure(["tracker"]) == {"tracker", "minio"}
    assert resolution.dependants_closure(["minio"]) == {"minio", "tracker", "server", "notebook"}


@pytest.mark.parametrize(("target", "started"), [("embedded", {"frog"}), ("kind", {"newt"})])
def test_what_has_no_process_and_no_unit_or_runs_elsewhere_is_not_started(
    shop: Room, target: str, started: set[str]
) -> None:
    folder = shop.component("frog", "embedded: {}\nhelm: {units: []}\n")
    (folder / "embedded.py").touch()
    units = "[{name: newt, kind: resources, objects: [{kind: Pond}]}]"
    shop.component("newt", f"embedded: {{entry: null}}\nhelm: {{units: {units}}}\n")
    folder = shop.component("tracker", "provides: [mlflow]\nembedded: {}\nexternal: {mlflow: {}}\n")
    (folder / "embedded.py").touch()
    shop.flavour("f", "components: [frog, newt]\n")
    where = "target: kind\ncontext: kind-kind\n" if target == "kind" else ""
    choices = "extra: [tracker]\ncomponents: {tracker: {provider: external}}\n"
    members = shop.deploy(f"flavour: f\n{where}{choices}").resolution.members
    assert started == {name for name, member in members.items() if member.starts}


def test_a_missing_capability_names_who_needs_it_and_who_could_provide_it(shop: Room) -> None:
    shop.flavour("f", "components: [tracker]\n")
    with pytest.raises(ConfigurationError) as caught:
        shop.resolve("f")
    assert str(caught.value) == (
        "The flavour 'f' does not load: tracker needs 's3', which nothing provides there.\n"
        "Add one that does: garage (embedded, external), minio (embedded, external); or drop tracker."
    )


def test_a_misspelt_capability_offers_the_nearest(shop: Room) -> None:
    shop.component("odd", "needs: {mlfow: {}}\nembedded: {entry: null}\n")
    shop.flavour("f", "components: [odd]\n")
    with pytest.raises(
        ConfigurationError, match=r"odd needs 'mlfow', which nothing provides \(.*component\.yaml:5"
    ) as caught:
        shop.resolve("f")
    assert caught.value.instruction == "Did you mean 'mlflow'?"


def test_two_providers_of_one_capability_say_what_to_write(shop: Room) -> None:
    shop.flavour("f", "components: [tracker, minio, garage]\n")
    with pytest.raises(ConfigurationError) as caught:
        shop.resolve("f")
    assert str(caught.value) == (
        "The flavour 'f' has several components that provide 's3': minio, garage; tracker needs it.\n"
        "Say which is meant: `bind: {s3: minio}` in the flavour or deployment.yaml."
    )


def test_two_providers_are_ambiguous_even_when_only_pipelines_ask(shop: Room) -> None:
    shop.flavour("f", "components: [artemis, mosquitto]\n")
    with pytest.raises(ConfigurationError, match="several components that provide 'mqtt': artemis, mosquitto"):
        shop.resolve("f")


def test_bind_decides(shop: Room) -> None:
    shop.flavour("f", "components: [tracker, minio, garage]\nbind: {s3: garage}\n")
    resolution = shop.resolve("f")
    assert resolution.bindings == {("tracker", "s3"): "garage"}
    assert resolution.capability("s3") == "garage"


def test_one_consumer_may_be_bound_otherwise(shop: Room) -> None:
    shop.flavour(
        "f",
        "components: [tracker, server, minio, garage]\nbind: {s3: garage}\noverride: {server: {bind: {s3: minio}}}\n",
    )
    resolution = shop.resolve("f")
    assert resolution.bindings["tracker", "s3"] == "garage"
    assert resolution.bindings["server", "s3"] == "minio"
    assert resolution.capability("s3") == "garage"


def test_the_users_bind_wins_over_the_flavours(shop: Room) -> None:
    shop.flavour("f", "components: [tracker, minio, garage]\nbind: {s3: garage}\n")
    assert shop.deploy("flavour: f\nbind: {s3: minio}\n").resolution.capability("s3") == "minio"
    own = shop.deploy("flavour: f\ncomponents: {tracker: {bind: {s3: minio}}}\n").resolution
    assert (own.capability("s3"), own.bindings["tracker", "s3"]) == ("garage", "minio")


def test_a_binding_of_a_capability_that_nobody_needs_there_is_refused(shop: Room) -> None:
    shop.flavour("f", "components: [tracker, minio]\noverride: {tracker: {bind: {mqtt: minio}}}\n")
    with pytest.raises(UnknownNameError, match="there is no capability that tracker needs 'mqtt'"):
        shop.resolve("f")


def test_uses_are_wired_when_present_and_ignored_otherwise(shop: Room) -> None:
    shop.flavour("f", "components: [notebook, artemis]\n")
    resolution = shop.resolve("f")
    assert resolution.bindings == {("notebook", "mqtt"): "artemis"}
    assert resolution.order == [["artemis"], ["notebook"]]


def test_an_external_component_is_wired_to_nothing(shop: Room) -> None:
    shop.component(
        "board",
        "provides: [board]\nuses: {mqtt: {}}\nneeds: {s3: {}}\nembedded: {entry: null}\nexternal: {board: {}}\n",
    )
    shop.flavour("f", "components: [board, artemis, minio]\n")
    assert shop.deploy("flavour: f\n").resolution.dependencies("board") == {"artemis", "minio"}
    external = shop.deploy("flavour: f\ncomponents: {board: {provider: external}}\n")
    assert external.resolution.dependencies("board") == set()


def test_a_cycle_is_named_with_its_path_and_capabilities(room: Room) -> None:
    for name, provides, needs in [("a", "one", "three"), ("b", "two", "one"), ("c", "three", "two")]:
        room.component(name, f"provides: [{provides}]\nneeds: {{{needs}: {{}}}}\nembedded: {{entry: null}}\n")
    room.flavour("f", "components: [a, b, c]\n")
    with pytest.raises(ConfigurationError) as caught:
        room.resolve("f")
    assert "circle" in caught.value.reason
    for step in ("a needs 'three' of c", "c needs 'two' of b", "b needs 'one' of a"):
        assert step in caught.value.reason


def test_an_added_component_brings_what_it_needs_when_there_is_one_way(shop: Room) -> None:
    shop.component("wiki", "needs: {mqtt: {}, search: {}}\nembedded: {entry: null}\n")
    shop.component("finder", PROVIDER.format("search"))
    shop.flavour("f", "components: [mosquitto]\n")
    resolution = shop.resolve("f", "wiki")
    assert sorted(resolution.components) == ["finder", "mosquitto", "wiki"]
    assert resolution.bindings["wiki", "mqtt"] == "mosquitto"
    assert resolution.members["finder"].why == "wiki needs search"
    assert not resolution.members["finder"].own


def test_an_added_component_with_several_ways_says_how_to_choose(shop: Room) -> None:
    shop.flavour("f", "components: [artemis]\n")
    with pytest.raises(
        ConfigurationError, match="tracker needs 's3', and several components could provide it: garage, minio"
    ) as caught:
        shop.resolve("f", "tracker")
    assert "datamill up -c garage -c tracker" in caught.value.instruction
    assert sorted(shop.resolve("f", "garage", "tracker").components) == ["artemis", "garage", "tracker"]


def test_an_added_component_does_not_take_over_what_the_flavour_provides(shop: Room) -> None:
    shop.flavour("f", "components: [tracker, minio]\n")
    resolution = shop.resolve("f", "garage")
    assert resolution.capability("s3") == "minio"
    assert resolution.bindings["tracker", "s3"] == "minio"


def test_an_added_component_that_is_in_the_flavour_changes_nothing(shop: Room) -> None:
    shop.flavour("f", "components: [tracker, minio]\n")
    assert shop.resolve("f", "minio").to_dict() == shop.resolve("f").to_dict()


def test_the_target_gives_what_no_component_does(room: Room) -> None:
    unit = "helm: {units: [{kind: resources, name: a, objects: [{}]}]}\n"
    room.component("db", "needs: {storage-class: {}}\n" + unit)
    room.component("longhorn", "provides: [storage-class]\n" + unit)
    room.flavour("plain", "components: [db]\n")
    room.flavour("own", "components: [db, longhorn]\n")
    room.flavour("given", "components: [db, longhorn]\nbind: {storage-class: target}\n")
    bound = {
        name: room.resolve(name, target="kind").bindings["db", "storage-class"] for name in ("plain", "own", "given")
    }
    assert bound == {"plain": "target", "own": "longhorn", "given": "target"}
    with pytest.raises(ConfigurationError, match="db needs 'storage-class', which nothing provides there") as caught:
        room.resolve("plain", target="context")
    assert "longhorn (helm)" in caught.value.instruction


def test_a_component_that_cannot_run_on_the_target_says_what_it_could(room: Room) -> None:
    room.component(
        "big", "provides: [x]\nhelm: {units: [{kind: resources, name: a, objects: [{}]}]}\nexternal: {x: {}}\n"
    )
    room.flavour("f", "components: [big]\n")
    with pytest.raises(
        ConfigurationError, match=r"components\[0\]: big cannot be had on the target 'embedded'"
    ) as caught:
        room.resolve("f")
    assert "provider: external" in caught.value.instruction
    assert room.deploy("flavour: f\ncomponents: {big: {provider: external}}\n").provider("big") == "external"


@pytest.mark.parametrize("target", ["embedded", "kind"])
def test_a_provider_of_another_kind_of_target_is_refused(room: Room, target: str) -> None:
    room.component("both", "embedded: {entry: null}\nhelm: {units: [{kind: resources, name: a, objects: [{}]}]}\n")
    room.flavour("f", "components: [both]\n")
    other, context = ("helm", "") if target == "embedded" else ("embedded", "context: c\n")
    with pytest.raises(ConfigurationError, match=f"the provider '{other}' does not work on the target '{target}'"):
        room.deploy(f"flavour: f\ntarget: {target}\n{context}components: {{both: {{provider: {other}}}}}\n")


def test_a_legacy_component_is_replaced_and_said_so(shop: Room) -> None:
    shop.component("old", "status: legacy\nlegacy: {reason: It is dead., replaced_by: [minio]}\n")
    shop.flavour("f", "components: [old, tracker]\nbind: {s3: old}\n")
    resolution = shop.resolve("f")
    assert sorted(resolution.components) == ["minio", "tracker"]
    assert resolution.to_dict()["substitutions"] == [
        {"component": "old", "replaced_by": ["minio"], "reason": "It is dead."}
    ]
    assert resolution.members["minio"].why == "in place of old, which is legacy"


def test_a_legacy_component_asked_for_by_name_is_refused(shop: Room) -> None:
    shop.component("old", "status: legacy\nlegacy: {reason: It is dead., replaced_by: [minio]}\n")
    shop.flavour("f", "components: [artemis]\n")
    with pytest.raises(ConfigurationError, match="old is legacy: It is dead") as caught:
        shop.resolve("f", "old")
    assert caught.value.instruction == "Use minio instead."


def test_what_is_said_about_a_legacy_component_belongs_to_its_replacement(shop: Room) -> None:
    shop.component("old", "status: legacy\nlegacy: {reason: It is dead., replaced_by: [minio]}\n")
    shop.flavour("f", "components: [old]\noverride: {old: {values: {a: 1}}}\n")
    with pytest.raises(ConfigurationError, match=r"old is legacy .* and minio stands in for it") as caught:
        shop.resolve("f")
    assert caught.value.instruction == "Say it about minio."


def test_a_claim_the_provider_does_not_know_is_refused_with_the_nearest(shop: Room) -> None:
    shop.component("store", "provides: [s3]\nembedded: {entry: null}\nconnection: {s3: {claims: {asks: [bucket]}}}\n")
    shop.component("odd", "needs: {s3: {bukcet: x}}\nembedded: {entry: null}\n")
    shop.flavour("f", "components: [odd, store]\n")
    with pytest.raises(
        UnknownNameError, match=r"needs\.s3\.bukcet: there is no s3 claim \(of store\) 'bukcet'"
    ) as caught:
        shop.resolve("f")
    assert caught.value.nearest == "bucket"


def test_asking_for_what_the_deployment_does_not_have_says_what_it_has(shop: Room) -> None:
    shop.flavour("f", "components: [minio]\n")
    resolution = shop.resolve("f")
    with pytest.raises(UnknownNameError, match="there is no capability in this deployment 's4'"):
        resolution.capability("s4")
    with pytest.raises(UnknownNameError, match="there is no component in this deployment 'mino'"):
        resolution.closure(["mino"])


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, dict[str, str]]:
    """Acyclic: each node depends on earlier ones."""
    names = [f"n{number}" for number in range(draw(st.integers(0, 12)))]
    shuffled = draw(st.permutations(names))
    return {
        name: {other: "x" for other in draw(st.lists(st.sampled_from(shuffled[:place]), unique=True)) if place}
        if place
        else {}
        for place, name in enumerate(shuffled)
    }


@given(graphs())
def test_levels_hold_every_node_once_after_what_it_needs_and_no_later_than_possible(
    edges: dict[str, dict[str, str]],
) -> None:
    order = levels(edges)
    level = {name: number for number, row in enumerate(order) for name in row}
    assert sorted(edges) == sorted(level)
    for name, needed in edges.items():
        assert level[name] == 1 + max((level[other] for other in needed), default=-1)


@given(graphs(), st.data())
def test_the_closure_is_closed_and_smallest(edges: dict[str, dict[str, str]], data: st.DataObject) -> None:
    start = data.draw(st.lists(st.sampled_from(sorted(edges)), unique=True)) if edges else []
    found = reachable(start, edges)
    assert all(set(edges[name]) <= found for name in found)
    for name in found - set(start):
        assert any(name in edges[other] for other in found)


@given(graphs().filter(lambda edges: len(edges) > 1), st.data())
def test_any_cycle_is_found_and_named_edge_by_edge(edges: dict[str, dict[str, str]], data: st.DataObject) -> None:
    first, last = data.draw(st.permutations(sorted(edges)))[:2]
    edges[first][last], edges[last][first] = "x", "y"
    with pytest.raises(ConfigurationError, match="circle") as caught:
        levels(edges)
    steps = caught.value.reason.split(": ", maxsplit=1)[1].rstrip(".").split(", ")
    path = [(step.split(" needs ")[0], step.rsplit(" of ", maxsplit=1)[1]) for step in steps]
    assert all(needed in edges[name] for name, needed in path)
    assert [name for name, _ in path] == [path[-1][1], *(needed for _, needed in path[:-1])]


CAPABILITIES = ("a", "b", "c", "d")


@st.composite
def catalogues(draw: st.DrawFn) -> dict[str, tuple[list[str], list[str]]]:
    """Component to what it provides and what it needs; each capability has one provider, or none, or two."""
    names = [f"c{number}" for number in range(draw(st.integers(2, 6)))]
    owners: dict[str, list[str]] = {}
    for capability in CAPABILITIES:
        owner, other = draw(st.permutations(names))[:2]
        owners[capability] = draw(st.sampled_from([[owner]] * 14 + [[], [owner, other]]))
    specs = {}
    for name in names:
        provides = [capability for capability in CAPABILITIES if name in owners[capability]]
        needs = draw(st.lists(st.sampled_from(CAPABILITIES), unique=True, max_size=2))
        specs[name] = (provides, [capability for capability in needs if capability not in provides])
    return specs


@given(catalogues())
def test_a_flavour_resolves_exactly_when_it_is_closed_unambiguous_and_without_circles(
    specs: dict[str, tuple[list[str], list[str]]],
) -> None:
    providers = {name: [c for c, (provides, _) in specs.items() if name in provides] for name in CAPABILITIES}
    closed = all(providers[name] for _, needs in specs.values() for name in needs)
    unambiguous = all(len(names) <= 1 for names in providers.values())
    edges = {c: {providers[name][0] for name in needs if providers[name]} for c, (_, needs) in specs.items()}
    acyclic = not any(c in reachable(edges[c], edges) for c in specs)
    with tempfile.TemporaryDirectory() as home:
        room = Room(Path(home))
        for name, (provides, needs) in specs.items():
            claims = ", ".join(f"{need}: {{}}" for need in needs)
            room.component(name, f"provides: [{', '.join(provides)}]\nneeds: {{{claims}}}\nembedded: {{entry: null}}\n")
        room.flavour("f", f"components: [{', '.join(specs)}]\n")
        if not (closed and unambiguous and acyclic):
            with pytest.raises(ConfigurationError):
                room.resolve("f")
            return
        resolution = room.resolve("f")
    assert resolution.bindings == {(c, name): providers[name][0] for c, (_, needs) in specs.items() for name in needs}
    assert {c: resolution.dependencies(c) for c in specs} == edges
    assert resolution.bound == {name: names[0] for name, names in providers.items() if names}
