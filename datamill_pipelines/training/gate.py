"""The gate: a challenger becomes champion only if it meets every criterion, and all of them are checked."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import pandas as pd

    from datamill_pipelines.training.evaluation import Evaluation

MOST_MEGABYTES = 20.0
MOST_SECONDS = 0.5
"""Of processor time for one row, median of a few; a loaded machine does not change it."""

MOST_BIAS = 0.05
"""Between the mean probability and the share of late flights; a month is up to this different from the one before."""

TIMED_ROWS = 5


@dataclass(frozen=True)
class Criterion:
    """One verdict.

    Attributes:
        name: what was asked.
        value: what was found.
        threshold: what it is held against, in words.
        passed: the verdict.
    """

    name: str
    value: float
    threshold: str
    passed: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def judge(
    evaluation: Evaluation,
    champion: Evaluation | None,
    *,
    megabytes: float,
    seconds: float,
    robust: bool,
) -> list[Criterion]:
    """Every criterion.

    Args:
        evaluation: of the challenger on the test month.
        champion: of the present champion on the same rows, if there is one.
        megabytes: size of the model's file.
        seconds: of processor time to answer for one row.
        robust: whether :func:`answers_anything` holds.
    """
    verdicts = [
        Criterion(
            f"{difference.metric}_better_than_{difference.baseline}",
            difference.low,
            "lower end of the 95 % interval of the gain > 0",
            difference.low > 0,
        )
        for difference in evaluation.differences
    ]
    bias = abs(evaluation.mean_probability - evaluation.late_share)
    verdicts.append(
        Criterion("calibrated", bias, f"|mean probability - share of late flights| <= {MOST_BIAS}", bias <= MOST_BIAS)
    )
    if champion is not None:
        gain = evaluation.pr_auc - champion.pr_auc
        verdicts.append(Criterion("pr_auc_no_worse_than_champion", gain, "gain >= 0", gain >= 0))
        gain = champion.brier - evaluation.brier
        verdicts.append(Criterion("brier_no_worse_than_champion", gain, "gain >= 0", gain >= 0))
    verdicts.append(Criterion("small", megabytes, f"<= {MOST_MEGABYTES} MB", megabytes <= MOST_MEGABYTES))
    verdicts.append(
        Criterion("fast", seconds, f"<= {MOST_SECONDS} s of processor time for one row", seconds <= MOST_SECONDS)
    )
    verdicts.append(
        Criterion("answers_anything", float(robust), "unknown categories and missing numbers are answered", robust)
    )
    return verdicts


def passed(verdicts: Sequence[Criterion]) -> bool:
    """Whether every criterion is met."""
    return all(verdict.passed for verdict in verdicts)


def failed_names(verdicts: Sequence[Criterion]) -> list[str]:
    """The criteria that are not met."""
    return [verdict.name for verdict in verdicts if not verdict.passed]


def seconds_for_one_row(
    predict: Callable[[pd.DataFrame], np.ndarray], frame: pd.DataFrame, clock: Callable[[], float] = time.thread_time
) -> float:
    """Median processor time of an answer for a single row."""
    taken = []
    for number in range(TIMED_ROWS):
        row = frame.iloc[[number % len(frame)]]
        started = clock()
        predict(row)
        taken.append(clock() - started)
    return statistics.median(taken)


def answers_anything(predict: Callable[[pd.DataFrame], np.ndarray], frame: pd.DataFrame) -> bool:
    """Whether a row with unknown categories and no numbers at all gets a probability."""
    import numpy as np  # noqa: PLC0415  (definitions are loaded by processes that touch no table)

    row = frame.iloc[[0]].copy()
    for name in row.columns:
        row[name] = np.nan if row[name].dtype.kind == "f" else "?"
    probability = predict(row)[:, 1]
    return bool(np.isfinite(probability).all() and (probability >= 0).all() and (probability <= 1).all())
