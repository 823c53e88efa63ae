"""The interface of engines: the same rows from the same commits, whoever computes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from datamill_infra.model.errors import DatamillError
from datamill_pipelines.batch.knowledge import month_days
from datamill_pipelines.batch.schema import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datamill_pipelines.datasets import CommitView


class EngineError(DatamillError):
    """An engine returned something else than the features of the months it was asked for."""


class FeatureEngine(ABC):
    """Builds features from raw commits.

    Attributes:
        name: as configured, e.g. ``"spark"``.
    """

    name: str

    def build(self, raw: Mapping[str, CommitView], months: Sequence[str]) -> dict[str, pa.Table]:
        """The features of some months.

        Args:
            raw: commits of the datasets in :data:`~datamill_pipelines.batch.sources.COLUMNS`.
            months: e.g. ``["2013-01", "2013-02"]``.

        Returns:
            A table per month, with the schema of :func:`~datamill_pipelines.batch.schema.arrow_schema`; rows in no
            promised order.

        Raises:
            EngineError: a column is missing or has values of another type.
        """
        spans = [month_days(month) for month in months]
        built = self._compute(raw, min(first for first, _ in spans), max(last for _, last in spans))
        try:
            table = built.select(arrow_schema().names).cast(arrow_schema())
        except (pa.ArrowInvalid, KeyError) as error:
            raise EngineError(
                f"The engine {self.name} returned other columns than features have: {error}.",
                instruction="This is a defect of the engine; build with the other one and report it.",
            ) from error
        return {month: table.filter(pc.starts_with(pc.field("flight_date"), month)) for month in months}

    @abstractmethod
    def _compute(self, raw: Mapping[str, CommitView], first_day: int, last_day: int) -> pa.Table:
        """The features of all flights between two local days, both included, as days since 1970-01-01."""
