"""The search: every candidate on every fold is one Dask task, on the component's workers.

Folds are contiguous blocks of days, so that a fold is judged on weather that its model has not seen. The log-odds that
the folds leave behind choose the candidate (by PR-AUC) and calibrate it; the winner is then fitted on all days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_pipelines.training.calibration import Calibrated
from datamill_pipelines.training.classifier import CANDIDATES, Candidate, build
from datamill_pipelines.training.evaluation import average_precision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from distributed import Client

    from datamill_pipelines.training.samples import Samples

FOLDS = 5


@dataclass(frozen=True)
class Found:
    """The outcome of a search.

    Attributes:
        model: fitted on all rows, calibrated on the folds.
        candidate: the winner.
        scores: PR-AUC over the folds, by position in the grid.
    """

    model: Calibrated
    candidate: Candidate
    scores: Mapping[int, float]


def search(client: Client, train: Samples, candidates: Sequence[Candidate] = CANDIDATES) -> Found:
    """Choose, fit and calibrate.

    Args:
        client: of a Dask scheduler whose workers can import this package.
        train: rows to learn from.
        candidates: the grid.
    """
    import numpy as np  # noqa: PLC0415  (definitions are loaded by processes that touch no table)

    shared = client.scatter(train, broadcast=True, hash=False)
    folds = fold_of_days(train)
    tasks = {
        (number, fold): client.submit(log_odds_of_fold, candidate, shared, fold, pure=False)
        for number, candidate in enumerate(candidates)
        for fold in range(FOLDS)
    }
    unseen = {number: np.empty(len(train)) for number in range(len(candidates))}
    for (number, fold), task in tasks.items():
        unseen[number][folds == fold] = task.result()
    scores = {number: average_precision(train.late, values) for number, values in unseen.items()}
    best = max(scores, key=lambda number: (scores[number], -number))
    fitted = client.submit(fit, candidates[best], shared, pure=False).result()
    return Found(Calibrated.of(fitted, unseen[best], train.late), candidates[best], scores)


def fold_of_days(train: Samples) -> np.ndarray:
    """The fold of each row, shape ``(rows,)``: days in order, in equal blocks."""
    folds: np.ndarray = train.days * FOLDS // (int(train.days.max()) + 1)
    return folds


def log_odds_of_fold(candidate: Candidate, train: Samples, fold: int) -> np.ndarray:
    """Fit without a fold, and answer for its rows. Runs on a worker."""
    folds = fold_of_days(train)
    model = fit(candidate, train.where(folds != fold))
    values: np.ndarray = model.decision_function(train.where(folds == fold).frame)
    return values


def fit(candidate: Candidate, train: Samples):  # type: ignore[no-untyped-def]  # noqa: ANN201 - scikit-learn has no types
    """Fit one candidate. Runs on a worker, on one thread: the workers share the machine's cores already."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    with threadpool_limits(1):
        return build(candidate).fit(train.frame, train.late)
