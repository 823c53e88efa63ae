from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from infra.drivers.helm.pond import Pond


@pytest.fixture
def pond(tmp_path: Path) -> Iterator[Pond]:
    made = Pond(tmp_path)
    yield made
    made.close()
