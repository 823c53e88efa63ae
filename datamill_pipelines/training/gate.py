"""The gate: a challenger becomes champion only if it meets every criterion, and all of them are checked."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from datamill_pipelines.batch.schema import FEATURES

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
    input_faults: Sequence[str],
) -> list[Criterion]:
    """Every criterion.

    Args:
        evaluation: of the challenger on the test month.
        champion: of the present champion on the same rows, if there is one.
        megabytes: size of the model's file.
        seconds: of processor time to answer for one row.
        robust: whether :func:`answers_anything` holds.
        input_faults: what :func:`faults_of_input` found.
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
    asked = "0 features missing, undeclared, of another type, or taken by position"
    told = f" (found: {'; '.join(input_faults)})" if input_faults else ""
    verdicts.append(Criterion("input_schema", float(len(input_faults)), asked + told, not input_faults))
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


def faults_of_input(predict: Callable[[pd.DataFrame], np.ndarray], frame: pd.DataFrame) -> list[str]:
    """What is wrong with the input that a model was judged on, held against the declared features.

    A served model gets one tensor a feature, by name: categories as text, numbers as floats. So its input has to have
    exactly the declared features, of these types, and the answer may not depend on their order.

    Args:
        predict: the model.
        frame: rows that it was judged on.
    """
    import numpy as np  # noqa: PLC0415  (definitions are loaded by processes that touch no table)

    declared = {column.name: column.role for column in FEATURES}
    faults = [f"{name} is missing" for name in declared if name not in frame.columns]
    faults += [f"{name} is not declared" for name in frame.columns if name not in declared]
    for name, role in declared.items():
        if name in frame.columns and (role == "number") != (frame[name].dtype.kind == "f"):
            faults.append(f"{name} is {frame[name].dtype}, not {'float' if role == 'number' else 'text'}")
    rows = frame.head(TIMED_ROWS)
    try:
        same = np.array_equal(predict(rows), predict(rows[list(reversed(rows.columns))]))
    except (ValueError, TypeError) as error:
        return [*faults, f"features in another order are refused ({error})"]
    return faults if same else [*faults, "features are taken by position"]
