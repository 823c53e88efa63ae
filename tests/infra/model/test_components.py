"""Component specs: what is wrong in a file is named with file, line, key and the nearest valid key."""

from __future__ import annotations

import pytest
from infra.model.room import HEAD, Room, says

from datamill_infra.model.catalogue import Catalogue
from datamill_infra.model.components import load_component
from datamill_infra.model.errors import ConfigurationError, UnknownNameError

ZERO = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("body", "where", "nearest"),
    [
        ("embeded: {}\n", "component.yaml:5: embeded", "embedded"),
        ("embedded:\n  entry: null\n  prots: [http]\n", "component.yaml:7: embedded.prots", "ports"),
        (
            "helm:\n  units:\n    - {kind: chart, name: a, source: own:a, version: '1.0', digset: x}\n",
            "helm.units[0].digset",
            "digest",
        ),
        ("helm:\n  units:\n    - {kind: resources, name: a, file: [a.yaml]}\n", "helm.units[0].file", "files"),
        ("connection:\n  http:\n    field: {}\n", "connection.http.field", "fields"),
        ("health: {start_second: 3}\n", "health.start_second", "start_seconds"),
        ("external:\n  s3: {fields: {host: {abuot: x}}}\n", "external.s3.fields.host.abuot", "about"),
    ],
)
def test_an_unknown_key_is_named_with_file_line_and_nearest_key(
    room: Room, body: str, where: str, nearest: str
) -> None:
    folder = room.component("thing", body)
    with pytest.raises(UnknownNameError) as caught:
        load_component(folder)
    assert str(folder / "component.yaml") in caught.value.reason
    assert where in caught.value.reason
    assert caught.value.instruction == f"Did you mean {nearest!r}?"


def test_a_name_in_the_file_is_refused_because_the_folder_is_the_name(room: Room) -> None:
    with pytest.raises(UnknownNameError, match=r"component\.yaml:5: name: there is no key 'name'"):
        load_component(room.component("thing", "name: other\nembedded: {entry: null}\n"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "helm:\n  units: [{kind: chart, name: a, source: own:a, version: 1.20}]\n",
            r'version: 1\.2 is not text\.[^|]*"1\.2"',
        ),
        ("helm:\n  units: [{kind: chart, name: a, source: own:a, version: latest}]\n", r"version: 'latest' is not"),
        ("helm:\n  units: [{kind: chart, name: a, source: own:a, version: ^1.2.0}]\n", r"version: '\^1\.2\.0' is not"),
        ("helm:\n  units: [{kind: chart, name: a, source: own:a, version: 1.x}]\n", r"version: '1\.x' is not"),
        (
            "helm:\n  units: [{kind: chart, name: a, source: 'oci://x/y', version: '1.0'}]\n",
            r"units\[0\]: the chart oci://x/y has no digest",
        ),
        (
            "helm:\n  units: [{kind: chart, name: a, source: 'https://x/y', version: '1.0', digest: '" + ZERO + "'}]\n",
            "`chart` names a chart",
        ),
        ("helm:\n  units: [{kind: chrat, name: a}]\n", r"units\[0\]: this unit has no known kind[^|]*chart, manifests"),
        ("helm:\n  units: [{kind: resources, name: a}]\n", "needs `files` or `objects`"),
        (
            "helm:\n  units: [{kind: resources, name: a, objects: [{}], ready: [{seconds: 3}]}]\n",
            r"ready\[0\]: this readiness has no known form",
        ),
        (
            "helm:\n  units: [{kind: resources, name: a, objects: [{}], stateful: yes}]\n",
            r"units\[0\]\.stateful: 'yes' is not true or false",
        ),
        ("embedded: {entry: null}\nhealth: {start_seconds: '30'}\n", "health.start_seconds: '30' is not a number"),
        ("helm: {}\n", "either `units` or `variants`"),
        ("helm:\n  variants: {a: {units: [{kind: resources, name: a, objects: [{}]}]}}\n", "`default_variant` is None"),
        (
            "helm:\n  units:\n" + 2 * "    - {kind: resources, name: a, objects: [{}]}\n",
            "two units are called 'a'",
        ),
        ("", "the component has no provider"),
        ("status: legacy\n", "belong together"),
        ("legacy: {reason: x}\nembedded: {entry: null}\n", "belong together"),
        ("status: retired\nembedded: {entry: null}\n", "status: 'retired' is not one of active, legacy"),
        ("provides: [s3]\nneeds: {s3: {}}\nembedded: {entry: null}\n", "needs 's3', which it provides itself"),
        ("needs: {s3: {}}\nuses: {s3: {}}\nembedded: {entry: null}\n", "in `needs` and in `uses`"),
        ("needs: {s3: }\nembedded: {entry: null}\n", r"needs\.s3: None is not a mapping[^|]*\{\} for none"),
        ("provides: [values]\nembedded: {entry: null}\n", "'values' is a reserved word"),
        ("provides: [My_Cap]\nembedded: {entry: null}\n", r"provides\[0\]: 'My_Cap' is not lower-case letters"),
        ("provides: s3\nembedded: {entry: null}\n", "provides: 's3' is not a list"),
        ("connection: {s3: {}}\nembedded: {entry: null}\n", "which the component does not provide"),
        (
            "provides: [s3]\nconnection: {s3: {secrets: {key: key}}}\nembedded: {entry: null}\n",
            "the secret 'key', which is not generated",
        ),
        (
            "provides: [s3]\nconnection: {s3: {fields: {a: 1}, secrets: {a: a}}}\nembedded: {entry: null}\n",
            "both a field and a secret",
        ),
        ("provides: [s3]\nconnection: {s3: {fields: {a: 1}}}\nexternal: {s3: {}}\n", "`external.s3` lacks 'a'"),
        ("provides: [s3, mqtt]\nexternal: {s3: {}}\n", "says nothing about 'mqtt'"),
        ("embedded: {}\n", "embedded.entry: there is no file 'embedded.py'"),
        ("embedded: {entry: null, artifacts: a.lock}\n", "embedded.artifacts: there is no file 'a.lock'"),
        ("embedded: {entry: ../other.py}\n", r"embedded\.entry: '\.\./other\.py' is not"),
        ("targets: {egs: {}}\nembedded: {entry: null}\n", "`targets` has 'egs'"),
        ("embedded: {entry: null, values: {x: 1, x: 2}}\n", "embedded.values.x: the key is given twice"),
        ("homepage: http://x\nembedded: {entry: null}\n", "homepage: the key is given twice"),
    ],
)
def test_what_is_wrong_is_said(room: Room, body: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_component(room.component("thing", body))
    assert caught.value.instruction
    assert str(caught.value).startswith(str(room.home))
    assert says(caught.value, message)


def test_all_problems_of_a_file_are_listed_at_once(room: Room) -> None:
    folder = room.home / "thing"
    folder.mkdir()
    (folder / "component.yaml").write_text("title: T\nhomepage: x\nembedded: {entry: 3}\n")
    with pytest.raises(ConfigurationError) as caught:
        load_component(folder)
    for key in ("summary", "licence", "homepage", "embedded.entry"):
        assert f": {key}: " in caught.value.reason


def test_a_typo_is_named_before_what_is_missing_because_of_it(room: Room) -> None:
    folder = room.home / "thing"
    folder.mkdir()
    (folder / "component.yaml").write_text(
        HEAD.replace("summary", "# summary") + "embedded: {entry: null, prots: []}\n"
    )
    with pytest.raises(UnknownNameError) as caught:
        load_component(folder)
    assert caught.value.nearest == "ports"
    assert ": summary: the key is required" in caught.value.reason


def test_a_spec_cannot_be_changed(room: Room) -> None:
    spec = load_component(room.component("thing"))
    with pytest.raises(ValueError, match="frozen"):
        spec.title = "other"  # type: ignore[misc]


def test_external_components_need_nothing(room: Room) -> None:
    spec = load_component(
        room.component("thing", "provides: [a]\nneeds: {s3: {}}\nembedded: {entry: null}\nexternal: {a: {}}\n")
    )
    assert spec.needs_of("embedded") == {"s3": {}}
    assert spec.needs_of("external") == {}


def test_a_broken_component_does_not_stand_in_the_way_of_others(room: Room) -> None:
    room.component("broken", "embeded: {}\n")
    room.component("fine")
    room.component("store", "provides: [s3]\nembedded: {entry: null}\n")
    assert room.catalogue["fine"].name == "fine"
    assert [spec.name for spec in room.catalogue.providing("s3")] == ["store"]
    with pytest.raises(UnknownNameError):
        room.catalogue["broken"]


def test_the_first_folder_that_has_a_component_wins(room: Room) -> None:
    room.component("thing", "embedded: {entry: null}\n")
    other = Room(room.home / "other")
    other.component("thing", "external: {}\n")
    catalogue = Catalogue.load([room.home / "catalogue", other.home / "catalogue"])
    assert catalogue["thing"].providers == ("embedded",)


def test_a_view_for_json_has_what_the_file_says(room: Room) -> None:
    spec = load_component(room.component("thing", "provides: [a]\nembedded: {entry: null, ports: [http]}\n"))
    view = spec.to_dict()
    assert view["name"] == "thing"
    assert view["providers"] == ["embedded"]
    assert view["provides"] == ["a"]
    assert HEAD.split("\n", maxsplit=1)[0] == f"title: {view['title']}"
