"""A deployment of its own, for tests that make its servers hang or change what others would find."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from embedded.room import Platform, running

from datamill_infra.cli.project import link_dagster_yaml
from datamill_infra.model.deployment import Deployment

APART = "title: Apart\nsummary: What can hang.\ncomponents: [kafka, s3proxy, datasets, mlflow, mlserver]\n"


@pytest.fixture(scope="session")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """All of it healthy; taken down with its data at the end."""
    home = tmp_path_factory.mktemp("apart") / ".datamill"
    (home / "flavours").mkdir(parents=True)
    (home / "flavours" / "apart.yaml").write_text(APART, encoding="utf-8")
    (home / "deployment.yaml").write_text("flavour: apart\n", encoding="utf-8")
    link_dagster_yaml(home)
    with running(Deployment.load(home)) as outcomes:
        yield Platform(home, outcomes)
