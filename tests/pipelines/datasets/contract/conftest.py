"""The suite runs against each provider: the native store in a directory and on S3, and Pachyderm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pipelines.datasets.contract.providers import Provider, local, native_on_s3, pachyderm, s3_server

from datamill_pipelines.datasets import DatasetStore, Repo


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["directory", "s3", "pachyderm"])
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Provider]:
    """One provider, empty or at least without anything under the names that the test makes."""
    if request.param == "directory":
        place = local(tmp_path / "store")
    elif request.param == "s3":
        place = native_on_s3(request.getfixturevalue("s3"))
    else:
        place = pachyderm()
    with place as opened:
        yield opened


@pytest.fixture
def store(provider: Provider) -> DatasetStore:
    return provider.open()


@pytest.fixture
def new_repo(provider: Provider, store: DatasetStore) -> Callable[..., Repo]:
    """Makes repos with names of their own: ``new_repo()``, ``new_repo("features/delay")``."""

    def make(stem: str = "raw/flights") -> Repo:
        return store.create_repo(provider.repo_name(stem))

    return make


@pytest.fixture
def repo(new_repo: Callable[..., Repo]) -> Repo:
    return new_repo()
