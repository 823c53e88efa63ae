"""What is shipped is right: every component, every flavour, in every way that it offers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from datamill_infra.model.catalogue import Catalogue
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.flavours import Flavours, resolve_flavour
from datamill_infra.model.targets import Target, target_kinds

CATALOGUE = Catalogue.load()
FLAVOURS = Flavours.load()


@pytest.mark.parametrize("name", CATALOGUE.names())
def test_every_component_can_be_deployed_alone_with_what_it_needs(name: str, tmp_path: Path) -> None:
    spec = CATALOGUE[name]
    if "embedded" not in spec.providers:
        assert spec.external is not None
        assert set(spec.external) == set(spec.provides)
        return
    deployment = Deployment.preview(tmp_path, "demo", extra=[name])
    assert name in deployment.resolution.components
    assert deployment.desired(name).digest


@pytest.mark.parametrize("name", CATALOGUE.names())
def test_every_component_says_what_a_user_may_override(name: str) -> None:
    spec = CATALOGUE[name]
    assert spec.title
    assert spec.summary.endswith(".")
    if spec.embedded and spec.embedded.entry:
        assert (spec.folder / spec.embedded.entry).is_file()


@pytest.mark.parametrize("name", FLAVOURS.names())
def test_every_flavour_resolves_on_this_machine(name: str, tmp_path: Path) -> None:
    deployment = Deployment.preview(tmp_path, name)
    for component in deployment.resolution.sequence():
        for connection in deployment.rendered(component).connections.values():
            assert connection.component == component
    assert FLAVOURS[name].summary.endswith(".")


@pytest.mark.parametrize("name", FLAVOURS.names())
def test_the_object_store_is_seaweedfs_on_clusters_and_s3proxy_where_nothing_comes_from_the_internet(name: str) -> None:
    stores = {
        kind: resolve_flavour(name, FLAVOURS, CATALOGUE, target=Target.of(kind, ["storage-class"])).bound["s3"]
        for kind in target_kinds()
    }
    assert {"embedded", "lab"} == {kind for kind, store in stores.items() if store == "s3proxy"}
    assert {"s3proxy", "seaweedfs"} == set(stores.values())


def test_runs_are_let_out_to_the_object_store_of_clusters(tmp_path: Path) -> None:
    (tmp_path / "deployment.yaml").write_text("flavour: demo\ntarget: kind\ncontext: kind-mill\n")
    values = Deployment.load(tmp_path).rendered("seaweedfs").units["seaweedfs"].tree()
    assert {"app.kubernetes.io/part-of": "datamill"} == values["podLabels"]


def test_the_demo_has_what_the_example_pipelines_need(tmp_path: Path) -> None:
    bound = Deployment.preview(tmp_path, "demo").resolution.bound
    needed = {"kafka", "s3", "mqtt", "amqp", "mlflow", "inference", "dask", "spark", "datasets"}
    assert needed <= set(bound)


def _answers(name: str) -> str:
    """``deployment.yaml`` lines of a user who has this component already and fills in what is required."""
    parts = CATALOGUE[name].external or {}
    samples = {"text": "something", "integer": 7, "flag": True}
    connection = {
        capability: {field: samples[about.type] for field, about in part.fields.items() if about.default is None}
        for capability, part in parts.items()
    }
    secrets = {secret: {"env": "SOMETHING"} for part in parts.values() for secret in part.secrets}
    return json.dumps({"provider": "external", "connection": connection, "secrets": secrets})


@pytest.mark.parametrize("name", CATALOGUE.names())
def test_every_component_can_be_one_that_runs_already(name: str, tmp_path: Path) -> None:
    spec = CATALOGUE[name]
    embedded = {} if "embedded" not in spec.providers else Deployment.preview(tmp_path, "demo").declared_connections()
    lines = [f"components: {{{name}: {_answers(name)}}}", f"extra: [{name}]", "flavour: demo"]
    bind = ", ".join(f"{capability}: {name}" for capability in spec.provides)
    (tmp_path / "deployment.yaml").write_text("\n".join([*lines, f"bind: {{{bind}}}\n"]))
    deployment = Deployment.load(tmp_path)
    assert deployment.resolution.dependencies(name) == set()
    for capability in spec.provides:
        connection = deployment.declared_connections()[capability]
        assert connection.component == name
        known = embedded.get(capability)
        assert known is None or set(known.fields) <= set(connection.fields)


def test_a_users_own_flavour_may_put_a_broker_of_theirs_in_place_of_ours(tmp_path: Path) -> None:
    (tmp_path / "flavours").mkdir()
    (tmp_path / "flavours" / "mine.yaml").write_text(
        "title: T\nsummary: S.\nextends: demo\ndrop: [artemis]\nadd: [rabbitmq]\n"
    )
    (tmp_path / "deployment.yaml").write_text(f"flavour: mine\ncomponents: {{rabbitmq: {_answers('rabbitmq')}}}\n")
    bound = Deployment.load(tmp_path).resolution.bound
    assert (bound["mqtt"], bound["amqp"]) == ("rabbitmq", "rabbitmq")
    assert "artemis" not in bound.values()
