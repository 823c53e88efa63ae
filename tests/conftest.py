"""Settings that hold for every test, and which tests one process has to run when there are several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer

# The same examples every time, no deadline (a busy machine is not a failure), and nothing written into the checkout.
settings.register_profile("datamill", derandomize=True, deadline=None, database=None)
settings.load_profile("datamill")

ON_THE_PLATFORM = ("tests/embedded/", "tests/apart/", "tests/faults/brokers/")
"""All tests in one of these folders share one running platform, which takes a good part of a small machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(ON_THE_PLATFORM))


class ByPlace(LoadScopeScheduling):
    """One process runs a whole file, whose tests may share what its fixtures set up, or all that share a platform."""

    def _split_scope(self, nodeid: str) -> str:
        shared = (folder for folder in ON_THE_PLATFORM if nodeid.startswith(folder))
        return next(shared, nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByPlace:
    """With `-n`, whatever `--dist` says; `loadgroup` does nothing while pytest 9.2 and xdist 3.8 disagree on ids."""
    config.option.loadscopereorder = False
    return ByPlace(config, log)
