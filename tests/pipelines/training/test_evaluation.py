"""The metrics are scikit-learn's, and the intervals know that days are drawn, not flights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss

from datamill_pipelines.training.evaluation import average_precision, brier_score, evaluate


@given(st.integers(0, 10_000), st.integers(2, 200), st.integers(1, 8))
def test_metrics_equal_scikit_learns(seed: int, rows: int, levels: int) -> None:
    source = np.random.default_rng(seed)
    late = source.integers(0, 2, rows)
    late[0] = 1
    score = source.integers(0, levels + 1, rows) / (levels + 1)  # ties on purpose

    assert average_precision(late, score) == pytest.approx(average_precision_score(late, score))
    assert brier_score(late, score) == pytest.approx(brier_score_loss(late, score))


def _month(seed: int, days: int = 28, flights: int = 50) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    source = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), flights)
    chance = source.beta(2, 6, days)[day]
    return (source.random(len(day)) < chance).astype(int), day, chance


def test_a_model_that_knows_the_days_is_better_beyond_doubt() -> None:
    late, days, chance = _month(3)
    found = evaluate(late, days, chance, {"prevalence": np.full(len(late), late.mean())})

    assert all(difference.low > 0 for difference in found.differences)


def test_a_model_that_knows_nothing_is_not_better() -> None:
    late, days, _ = _month(4)
    noise = np.random.default_rng(5).random(len(late)) * 0.5
    found = evaluate(late, days, noise, {"prevalence": np.full(len(late), late.mean())})

    assert all(difference.low <= 0 for difference in found.differences)


def test_equal_input_gives_equal_intervals() -> None:
    late, days, chance = _month(6)
    against = {"prevalence": np.full(len(late), late.mean())}

    assert evaluate(late, days, chance, against) == evaluate(late, days, chance, against)
