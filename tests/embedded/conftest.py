"""The demo flavour, brought up once for all tests that need real servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from embedded.room import HOLDER, Platform

from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """All components of the demo, healthy; taken down with its data at the end."""
    deployment = Deployment.write_default(tmp_path_factory.mktemp("platform") / ".datamill", "demo")
    rollout = Rollout(deployment)
    try:
        with writer_lock(deployment, HOLDER):
            outcomes = rollout.up()
        failed = [f"{name}: {outcome.message}" for name, outcome in outcomes.items() if not outcome.succeeded]
        assert not failed, "\n".join(failed)
        yield Platform(deployment.home, outcomes)
    finally:
        with writer_lock(deployment, HOLDER):
            Rollout(deployment).down(delete_data=True)
