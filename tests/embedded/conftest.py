"""The demo flavour, brought up once for all tests that need real servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from embedded.room import Platform, running

from datamill_infra.cli.project import link_dagster_yaml
from datamill_infra.model.deployment import Deployment


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """All components of the demo, healthy; taken down with its data at the end."""
    deployment = Deployment.write_default(tmp_path_factory.mktemp("platform") / ".datamill", "demo")
    link_dagster_yaml(deployment.home)
    with running(deployment) as outcomes:
        yield Platform(deployment.home, outcomes)


@pytest.fixture(scope="session")
def flight_delay(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The whole example has run for two months; its report. Features are built by Dask, which starts no Java."""
    config = tmp_path_factory.mktemp("flight_delay") / "config.yaml"
    config.write_text("ops: {features__flight_delay: {config: {engine: dask}}}\n", encoding="utf-8")
    return platform.run("flight_delay", "--months", "2013-01..2013-02", "--config", str(config))
