"""What is shipped is right: every component, every flavour, in every way that it offers."""

from __future__ import annotations

from pathlib import Path

import pytest

from datamill_infra.model.catalogue import Catalogue
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.flavours import Flavours

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


def test_the_demo_has_what_the_example_pipelines_need(tmp_path: Path) -> None:
    bound = Deployment.preview(tmp_path, "demo").resolution.bound
    needed = {"kafka", "s3", "mqtt", "amqp", "mlflow", "inference", "dask", "spark", "datasets"}
    assert needed <= set(bound)
