"""The rows of a month, as a model sees them: features, label, and the day they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_pipelines.training.classifier import input_columns
from datamill_pipelines.training.errors import TrainingError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class Samples:
    """Flights that arrived, of one span of days.

    Attributes:
        frame: the features, one row per flight; categories as text, numbers as floats.
        late: the label, 0 or 1, shape ``(rows,)``.
        days: index of the local day, from 0, shape ``(rows,)``; days are the blocks of folds and of the bootstrap.
    """

    frame: pd.DataFrame
    late: np.ndarray
    days: np.ndarray

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.late)

    def where(self, mask: np.ndarray) -> Samples:
        """The rows that ``mask`` selects."""
        return Samples(self.frame[mask].reset_index(drop=True), self.late[mask], self.days[mask])


def samples(table: pa.Table, month: str, *, without_last_day: bool = False) -> Samples:
    """The flights of one month that arrived.

    Args:
        table: rows of ``features/flight_delay``.
        month: ``"2013-01"``.
        without_last_day: leave the month's last day out, so that there are flights that no part of training has seen.

    Raises:
        TrainingError: there are none.
    """
    import numpy as np  # noqa: PLC0415  (definitions are loaded by processes that touch no table)
    import pandas as pd  # noqa: PLC0415

    frame = table.to_pandas()
    frame = frame[frame["flight_date"].str.startswith(month) & frame["late"].notna()]
    if without_last_day and len(frame):
        frame = frame[frame["flight_date"] < frame["flight_date"].max()]
    if frame.empty or frame["late"].nunique() < 2:  # noqa: PLR2004  (both outcomes must occur)
        raise TrainingError(
            f"features/flight_delay has no flights of {month} to learn from.",
            instruction=f"Build them with `datamill run features --month {month}`.",
        )
    frame = frame.reset_index(drop=True)
    days = pd.factorize(frame["flight_date"], sort=True)[0]
    numbers = [
        name for name in input_columns() if not isinstance(frame[name].dtype, pd.StringDtype | np.dtypes.ObjectDType)
    ]
    features = frame[list(input_columns())].astype(dict.fromkeys(numbers, "float64"))
    return Samples(features, frame["late"].astype("int64").to_numpy(), days)
