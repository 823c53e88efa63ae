"""What the tests start ends with them, whatever has become of its files."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import psutil
import pytest
from embedded.room import Platform, running
from infra.drivers.bench import CATALOGUE, alive

from datamill_infra.model.deployment import Deployment

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def birds(tmp_path: Path) -> Deployment:
    """A deployment of two small servers."""
    home = tmp_path / "home"
    shutil.copytree(CATALOGUE, home / "catalogue", ignore=shutil.ignore_patterns("__pycache__"))
    (home / "flavours").mkdir()
    flavour = "title: Birds\nsummary: Two.\ncomponents: [echo, parrot]\n"
    (home / "flavours" / "birds.yaml").write_text(flavour, encoding="utf-8")
    (home / "deployment.yaml").write_text("flavour: birds\n", encoding="utf-8")
    return Deployment.load(home)


def test_servers_end_when_their_directory_has_disappeared_and_it_is_told(birds: Deployment) -> None:
    started: list[psutil.Process] = []

    def use() -> None:
        with running(birds) as outcomes:
            platform = Platform(birds.home, outcomes)
            started.extend([psutil.Process(platform.driver.supervisor.pid()), *platform.processes()])
            shutil.rmtree(birds.home)

    with pytest.raises(AssertionError, match="servers outlived"):
        use()
    assert len(started) >= 3
    assert not [process for process in started if alive(process.pid)]


def test_servers_end_with_their_directory_when_nothing_disappeared(birds: Deployment) -> None:
    with running(birds) as outcomes:
        started = Platform(birds.home, outcomes).processes()
        assert started
    assert not [process for process in started if alive(process.pid)]
