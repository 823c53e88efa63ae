"""Where the tests of the model get their catalogues from."""

from __future__ import annotations

from pathlib import Path

import pytest
from infra.model.room import FIXTURES, Room

from datamill_infra.model.catalogue import Catalogue
from datamill_infra.model.flavours import Flavours


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """An empty directory to write components, flavours and a deployment into."""
    return Room(tmp_path)


@pytest.fixture(scope="session")
def hard_catalogue() -> Catalogue:
    """The fixture catalogue: hard shapes, and what the 2019 platform had."""
    return Catalogue.load([FIXTURES / "catalogue"])


@pytest.fixture(scope="session")
def flavours_2019() -> Flavours:
    """The five flavours of 2019."""
    return Flavours.load([FIXTURES / "flavours"])
