"""What a model has to beat: numbers that need no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from datamill_pipelines.training.samples import Samples

SMOOTHING = 20.0
"""Flights that a group must have before its own rate weighs as much as everybody's."""

KEYS = ("carrier", "origin", "hour")


def prevalence(train: Samples, test: Samples) -> np.ndarray:
    """The training month's share of late flights, for every flight."""
    import numpy as np  # noqa: PLC0415  (see samples)

    return np.full(len(test), train.late.mean())


def rate(train: Samples, test: Samples) -> np.ndarray:
    """The training month's smoothed share of late flights by carrier, origin and scheduled hour of departure."""
    overall = train.late.mean()
    grouped = _keys(train.frame).assign(late=train.late).groupby(list(KEYS))["late"].agg(["sum", "size"]).reset_index()
    grouped["rate"] = (grouped["sum"] + SMOOTHING * overall) / (grouped["size"] + SMOOTHING)
    joined = _keys(test.frame).merge(grouped, on=list(KEYS), how="left")
    rates: np.ndarray = joined["rate"].fillna(overall).to_numpy()
    return rates


def _keys(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["carrier", "origin"]].assign(hour=(frame["departure_minute"] // 60).astype("int64"))


BASELINES = {"prevalence": prevalence, "rate": rate}
"""Each baseline by name."""
