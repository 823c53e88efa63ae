"""Deployments: what is written, what counts as a change, and nothing half done."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from infra.model.room import HEAD, Room, says

from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import ConfigurationError, UnknownNameError

BROKER = """\
provides: [kafka]
embedded:
  ports: [broker]
  secrets: [password]
  values: {heap: 512m, settings: {}}
connection:
  kafka: {fields: {bootstrap_servers: "${host}:${ports.broker}"}, secrets: {password: password}}
health: {start_seconds: 30}
"""


FLAVOUR = "title: T\nsummary: S.\ncomponents: [broker, sink]\n"

SINK = "needs: {kafka: {}}\nembedded: {entry: null}\n"


@pytest.fixture
def filled(room: Room) -> Room:
    folder = room.component("broker", BROKER)
    (folder / "embedded.py").write_text("# one\n")
    room.component("sink", SINK)
    room.component("lantern")
    room.component("other")
    room.flavour("g", "components: [broker]\n")
    (room.home / "flavours" / "f.yaml").write_text(FLAVOUR)
    return room


def test_a_new_deployment_is_written_and_read_back(filled: Room) -> None:
    home = filled.home
    made = Deployment.write_default(home, "f")
    assert (made.flavour, made.target, made.extra) == ("f", "embedded", ())
    assert made.to_dict() == Deployment.load(home).to_dict()
    assert [path.name for path in home.iterdir() if path.is_file()] == ["deployment.yaml"]


def test_making_it_again_changes_nothing(filled: Room) -> None:
    Deployment.write_default(filled.home, "f")
    file = filled.home / "deployment.yaml"
    file.write_text(file.read_text() + "# mine\n")
    Deployment.write_default(filled.home, "f")
    assert file.read_text().endswith("# mine\n")


def test_another_flavour_in_the_same_directory_is_refused(filled: Room) -> None:
    Deployment.write_default(filled.home, "f")
    with pytest.raises(ConfigurationError, match="already has a deployment: flavour 'f' on 'embedded'"):
        Deployment.write_default(filled.home, "g")


@pytest.mark.parametrize("flavour", ["ff", "broken"])
def test_a_flavour_that_does_not_load_leaves_nothing_behind(filled: Room, flavour: str) -> None:
    filled.flavour("broken", "components: [sink]\n")
    before = sorted(filled.home.rglob("*"))
    with pytest.raises(ConfigurationError):
        Deployment.write_default(filled.home, flavour)
    assert before == sorted(filled.home.rglob("*"))


def test_a_directory_without_a_deployment_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no deployment in") as caught:
        Deployment.load(tmp_path)
    assert "datamill up" in caught.value.instruction


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("flavor: f\n", r"deployment\.yaml:1: flavor: there is no key 'flavor'.*'flavour'"),
        ("flavour: ff\n", r"deployment\.yaml:1: flavour: there is no flavour 'ff'.*'f'"),
        ("target: embedded\n", "flavour: the key is required"),
        ("flavour: f\ntarget: embeded\n", r"target: there is no target 'embeded'.*'embedded'|needs `context`"),
        ("flavour: f\ntarget: kindd\ncontext: c\n", r"yaml:2: target: there is no target 'kindd'.*'kind'"),
        ("flavour: f\ntarget: kind\n", "needs `context`"),
        ("flavour: f\ncontext: c\n", "has no `context`"),
        (
            "flavour: f\ncapabilities: [storage-clas]\n",
            "there is no capability of a target 'storage-clas'.*'storage-class'",
        ),
        (
            "flavour: f\ncomponents: {brokr: {}}\n",
            r"components\.brokr: there is no component in this deployment 'brokr'.*'broker'",
        ),
        (
            "flavour: f\ncomponents: {lantern: {}}\n",
            r"components\.lantern: lantern is not part of the deployment.*extra",
        ),
        (
            "flavour: f\ncomponents: {broker: {valus: {}}}\n",
            r"components\.broker\.valus: there is no key 'valus'.*'values'",
        ),
        ("flavour: f\ncomponents: {broker: {values: {heep: 1g}}}\n", r"components\.broker\.values\.heep: .*'heap'"),
        (
            "flavour: f\ncomponents: {broker: {provider: external}}\n",
            r"components\.broker: broker has no provider 'external'.*embedded",
        ),
        ("flavour: f\ncomponents: {broker: {provider: extrnal}}\n", r"provider: 'extrnal' is not one of.*'external'"),
        ("flavour: f\nextra: [lanter]\n", r"extra\[0\]: there is no component 'lanter'.*'lantern'"),
        ("flavour: f\nflavour: g\n", "the key is given twice, first on line 1"),
        ("- f\n", "is not a mapping"),
    ],
)
def test_what_is_wrong_in_a_deployment_is_said_with_file_key_and_nearest_name(
    filled: Room, body: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        filled.deploy(body)
    assert says(caught.value, message)


def test_extra_components_come_with_what_they_need(filled: Room) -> None:
    filled.component("finder", "provides: [finding]\nembedded: {entry: null}\n")
    filled.component("wiki", "needs: {finding: {}}\nembedded: {entry: null}\n")
    filled.flavour("small", "components: [lantern]\n")
    deployment = filled.deploy("flavour: small\nextra: [wiki]\n")
    assert sorted(deployment.resolution.components) == ["finder", "lantern", "wiki"]
    assert deployment.resolution.closure(["wiki"]) == {"finder", "wiki"}
    for_once = filled.deploy("flavour: small\n").including("wiki")
    assert sorted(for_once.resolution.components) == ["finder", "lantern", "wiki"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# mine\nflavour: f\n", "# mine\nflavour: f\nextra: [lantern, other]\n"),
        ("flavour: f\nextra: [lantern]\n# kept\nbind: {}\n", "flavour: f\nextra: [lantern, other]\n# kept\nbind: {}\n"),
        ("extra:\n  - lantern  # why\n\nflavour: f\n", "extra: [lantern, other]\n\nflavour: f\n"),
        ("flavour: f", "flavour: f\nextra: [lantern, other]\n"),
    ],
)
def test_adding_extra_components_leaves_the_rest_of_the_file_alone(filled: Room, before: str, after: str) -> None:
    deployment = filled.deploy(before)
    again = deployment.add_extra(["lantern", "other", "lantern"])
    assert (filled.home / "deployment.yaml").read_text() == after
    assert again.extra == ("lantern", "other")
    assert again.add_extra(["other"]) is again


def test_an_extra_component_that_does_not_resolve_is_not_written(filled: Room) -> None:
    deployment = filled.deploy("flavour: f\n")
    with pytest.raises(UnknownNameError):
        deployment.add_extra(["lanter"])
    assert (filled.home / "deployment.yaml").read_text() == "flavour: f\n"


PORTS = {"broker": {"broker": 9092}, "sink": {}}


def test_equal_definitions_have_equal_code_versions_wherever_they_lie(
    filled: Room, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(filled.home, other, dirs_exist_ok=True)
    one, two = filled.deploy("flavour: f\n"), Room(other).deploy("flavour: f\n")
    for component in ("broker", "sink"):
        assert one.desired(component).digest == two.desired(component).digest


def test_a_moved_port_changes_whoever_depends_on_it_but_no_code_version(filled: Room) -> None:
    deployment = filled.deploy("flavour: f\n")
    moved = {"broker": {"broker": 9999}, "sink": {}}
    for component in ("broker", "sink"):
        assert deployment.desired(component, PORTS).digest != deployment.desired(component, moved).digest
        assert deployment.desired(component, PORTS).digest != deployment.desired(component).digest


def digests(room: Room) -> dict[str, str]:
    deployment = room.deploy("flavour: f\n")
    return {component: deployment.desired(component, PORTS).digest for component in ("broker", "sink")}


@pytest.mark.parametrize(
    ("file", "content", "changed"),
    [
        ("flavours/f.yaml", FLAVOUR + "override: {broker: {values: {heap: 1g}}}\n", {"broker"}),
        ("catalogue/broker/embedded.py", "# two\n", {"broker"}),
        ("catalogue/broker/log4j2.xml", "<x/>", {"broker"}),
        ("catalogue/broker/component.yaml", HEAD + BROKER.replace("${host}:", "localhost:"), {"broker", "sink"}),
        ("catalogue/broker/component.yaml", HEAD + BROKER.replace("[password]", "[password, token]"), {"broker"}),
        ("catalogue/broker/component.yaml", HEAD.replace("S.", "Other.") + "# a remark\n" + BROKER, set()),
        ("catalogue/broker/component.yaml", HEAD + BROKER.replace("30", "31"), set()),
        ("catalogue/broker/README.md", "x", set()),
        ("catalogue/broker/capability_kafka.py", "x", set()),
    ],
)
def test_only_what_would_run_differently_changes_the_digest(
    filled: Room, file: str, content: str, changed: set[str]
) -> None:
    before = digests(filled)
    (filled.home / file).write_text(content)
    after = digests(filled)
    assert changed == {component for component in before if before[component] != after[component]}


def test_secrets_are_named_and_a_user_may_look_at_everything_else(filled: Room) -> None:
    desired = filled.deploy("flavour: f\n").desired("broker", PORTS)
    assert desired.facts["secrets"] == ["broker.password"]
    assert desired.facts["values"] == {"heap": "512m", "settings": {}}
    assert desired.facts["connections"] == {
        "kafka": {
            "capability": "kafka",
            "component": "broker",
            "fields": {"bootstrap_servers": "127.0.0.1:9092"},
            "secrets": {"password": "broker.password"},
        }
    }


def test_the_layout_of_the_directory_is_as_documented(filled: Room) -> None:
    deployment = filled.deploy("flavour: f\n")
    layout = {
        "ports": deployment.ports_file,
        "secrets": deployment.secrets_file,
        "connections": deployment.connections_file,
        "releases": deployment.releases_file,
    }
    for name, file in layout.items():
        assert file == filled.home / "state" / f"{name}.json"
    assert deployment.component_paths("broker")["data"] == filled.home / "components" / "broker" / "data"
    assert deployment.log_file("broker") == filled.home / "log" / "broker.log"
