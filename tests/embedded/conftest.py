"""The demo flavour, brought up once for all tests that need real servers; and a small deployment beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from embedded.room import Platform, running

from datamill_infra.cli.project import link_dagster_yaml
from datamill_infra.model.deployment import Deployment

APART = "title: Apart\nsummary: What can hang.\ncomponents: [kafka, s3proxy, datasets, mlflow, mlserver]\n"


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """All components of the demo, healthy; taken down with its data at the end."""
    deployment = Deployment.write_default(tmp_path_factory.mktemp("platform") / ".datamill", "demo")
    link_dagster_yaml(deployment.home)
    with running(deployment) as outcomes:
        yield Platform(deployment.home, outcomes)


@pytest.fixture(scope="session")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A second deployment, smaller: for tests that change what others on the first one find, or make it hang."""
    home = tmp_path_factory.mktemp("apart") / ".datamill"
    (home / "flavours").mkdir(parents=True)
    (home / "flavours" / "apart.yaml").write_text(APART, encoding="utf-8")
    (home / "deployment.yaml").write_text("flavour: apart\n", encoding="utf-8")
    link_dagster_yaml(home)
    with running(Deployment.load(home)) as outcomes:
        yield Platform(home, outcomes)


@pytest.fixture(scope="session")
def flight_delay(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The whole example has run for two months; its report. Features are built by Dask, which starts no Java."""
    config = tmp_path_factory.mktemp("flight_delay") / "config.yaml"
    config.write_text("ops: {features__flight_delay: {config: {engine: dask}}}\n", encoding="utf-8")
    return platform.run("flight_delay", "--months", "2013-01..2013-02", "--config", str(config))
