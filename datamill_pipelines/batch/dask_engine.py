"""Features by Dask: workers read the commits' files, and each computes the flights of some airports of departure.

Every window is kept by a key that holds the airport (:mod:`~datamill_pipelines.batch.knowledge`), so airports are
independent of each other. Workers open the store themselves; only features travel.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from datamill_pipelines.batch.engine import FeatureEngine
from datamill_pipelines.batch.frames import flight_features
from datamill_pipelines.batch.schema import arrow_schema
from datamill_pipelines.batch.sources import COLUMNS
from datamill_pipelines.datasets import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from distributed import Client

    from datamill_infra.model.connections import ResolvedConnection
    from datamill_pipelines.datasets import CommitView, DatasetStore


class DaskEngine(FeatureEngine):
    """pandas on Dask's workers.

    Args:
        client: opens a client of the scheduler.
        connection: of the dataset store, for the workers.
    """

    name = "dask"

    def __init__(
        self, client: Callable[[], AbstractContextManager[Client]], connection: ResolvedConnection | str
    ) -> None:
        self._client = client
        self._connection = connection

    def _compute(self, raw: Mapping[str, CommitView], first_day: int, last_day: int) -> pa.Table:
        refs = {name: f"{name}@{view.id}" for name, view in raw.items()}
        files = [file.path for file in raw["raw/flights"].files() if file.rows]
        with self._client() as client:
            # Not pure: equal arguments must not be answered from an earlier run's memory.
            parts = client.map(
                functools.partial(read_flights, self._connection, refs["raw/flights"]), files, pure=False
            )
            others = [client.submit(read_table, self._connection, refs[f"raw/{name}"], f"raw/{name}", pure=False)
                      for name in ("weather", "planes", "airports")]  # fmt: skip
            airports = sorted(set().union(*client.gather(client.map(list, parts, pure=False))))
            computed = [
                client.submit(airport_features, airport, parts, *others, first_day, last_day, pure=False)
                for airport in airports
            ]
            return pa.concat_tables(client.gather(computed))


def read_flights(connection: ResolvedConnection | str, ref: str, path: str) -> dict[str, pd.DataFrame]:
    """One file of flights, by airport of departure."""
    table = _store(connection).commit_view(ref).table(path, columns=list(COLUMNS["raw/flights"]))
    return dict(iter(table.to_pandas().groupby("origin")))


def read_table(connection: ResolvedConnection | str, ref: str, name: str) -> pd.DataFrame:
    """One whole table."""
    return _store(connection).commit_view(ref).table(columns=list(COLUMNS[name])).to_pandas()


def airport_features(
    airport: str,
    parts: Sequence[Mapping[str, pd.DataFrame]],
    weather: pd.DataFrame,
    planes: pd.DataFrame,
    airports: pd.DataFrame,
    first_day: int,
    last_day: int,
) -> pa.Table:
    """The features of one airport of departure."""
    flights = pd.concat([part[airport] for part in parts if airport in part], ignore_index=True)
    weather = weather[weather["origin"] == airport]
    features = flight_features(flights, weather, planes, airports, first_day, last_day)
    return pa.Table.from_pandas(features, schema=arrow_schema(), preserve_index=False)


_stores: dict[str, DatasetStore] = {}
"""A worker's open stores. Opening one tries its conditional writes, which is worth doing once a process."""


def _store(connection: ResolvedConnection | str) -> DatasetStore:
    key = connection if isinstance(connection, str) else repr(sorted(connection.values.items()))  # noqa: PD011  (no data frame)
    if key not in _stores:
        _stores[key] = open_store(connection)
    return _stores[key]
