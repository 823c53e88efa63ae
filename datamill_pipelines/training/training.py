"""From a features table to a judged candidate: everything of training that needs no server but Dask's."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_pipelines.training.baselines import BASELINES
from datamill_pipelines.training.evaluation import Evaluation, evaluate
from datamill_pipelines.training.samples import samples
from datamill_pipelines.training.search import Found, search

if TYPE_CHECKING:
    from typing import Any

    import pyarrow as pa
    from distributed import Client

    from datamill_pipelines.training.samples import Samples


@dataclass(frozen=True)
class Trained:
    """A challenger.

    Attributes:
        found: model, candidate and the search's scores.
        evaluation: on the test month.
        train: rows it was fitted on.
        test: rows it was judged on.
    """

    found: Found
    evaluation: Evaluation
    train: Samples
    test: Samples


def train(client: Client, table: pa.Table, train_month: str, test_month: str) -> Trained:
    """Search on one month, judge on another.

    Args:
        client: of Dask.
        table: rows of ``features/flight_delay``.
        train_month: ``"2013-01"``.
        test_month: ``"2013-02"``; its last day is left out, for predictions of flights that nothing has seen.

    Raises:
        TrainingError: one of the months has nothing to learn from.
    """
    fit_on = samples(table, train_month)
    judged_on = samples(table, test_month, without_last_day=True)
    found = search(client, fit_on)
    return Trained(found, evaluate_on(found.model, fit_on, judged_on), fit_on, judged_on)


def evaluate_on(model: Any, fit_on: Samples, judged_on: Samples) -> Evaluation:  # noqa: ANN401  (scikit-learn has no types)
    """Judge any fitted classifier against the baselines of ``fit_on``."""
    probability = model.predict_proba(judged_on.frame)[:, 1]
    against = {name: baseline(fit_on, judged_on) for name, baseline in BASELINES.items()}
    return evaluate(judged_on.late, judged_on.days, probability, against)


def training_key(features_digest: str, train_month: str, test_month: str, code_version: str) -> str:
    """Equal for equal features, months and code: training twice then gives the same model.

    Args:
        features_digest: tree digest of the features commit.
        train_month: of the configuration.
        test_month: of the configuration.
        code_version: of this package.
    """
    facts = json.dumps([features_digest, train_month, test_month, code_version])
    return hashlib.sha256(facts.encode()).hexdigest()[:16]
