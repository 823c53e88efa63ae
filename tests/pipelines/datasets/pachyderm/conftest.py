"""A stand-in server for each test, and a store on it whose waits take no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pipelines.datasets.pachyderm.standin.server import StandIn

from datamill_pipelines.datasets.pachyderm.door import Door
from datamill_pipelines.datasets.pachyderm.repos import PachydermRepo
from datamill_pipelines.datasets.pachyderm.store import PachydermStore


class Clock:
    """A clock that only waiting moves, and faster than was asked for."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += 20 * seconds


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn() as standin:
        yield standin


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def connect(server: StandIn, clock: Clock) -> Iterator[Callable[[], PachydermStore]]:
    """Makes stores, each with a connection of its own."""
    stores: list[PachydermStore] = []

    def make() -> PachydermStore:
        stores.append(PachydermStore(Door(server.address), clock=clock, sleep=clock.sleep))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def store(connect: Callable[[], PachydermStore]) -> PachydermStore:
    return connect()


@pytest.fixture
def raw(store: PachydermStore) -> PachydermRepo:
    return store.create_repo("raw/flights")


@pytest.fixture
def features(store: PachydermStore) -> PachydermRepo:
    return store.create_repo("features/delay")
