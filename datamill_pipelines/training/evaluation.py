"""How good, and how sure: PR-AUC, Brier score, and paired bootstrap intervals of the difference to each baseline.

PR-AUC is average precision: the sum over thresholds of precision times the gain in recall (Zhu 2004). The Brier score
is the mean squared error of the probability (Brier 1950). Flights of one day are delayed by the same weather, so the
bootstrap draws whole days, not flights (block bootstrap, Kuensch 1989); drawing flights would claim to be too sure.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

RESAMPLES = 1000
SEED = 7
LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """By how much the model is better than a baseline; above 0 is better.

    Attributes:
        metric: ``pr_auc`` or ``brier``.
        baseline: name of the baseline.
        value: the difference on the test month.
        low: lower end of its 95 % interval.
        high: upper end.
    """

    metric: str
    baseline: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """A model on the test month.

    Attributes:
        pr_auc: average precision, 0 to 1.
        brier: mean squared error, 0 to 1, smaller is better.
        mean_probability: of the model's answers.
        late_share: of the test month.
        baselines: baseline to its metrics.
        differences: to each baseline, in each metric.
    """

    pr_auc: float
    brier: float
    mean_probability: float
    late_share: float
    baselines: Mapping[str, Mapping[str, float]]
    differences: tuple[Difference, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def metrics(self) -> dict[str, float]:
        """Flat, as a tracked run has them."""
        flat = {"pr_auc": self.pr_auc, "brier": self.brier, "mean_probability": self.mean_probability}
        flat["late_share"] = self.late_share
        for name, values in self.baselines.items():
            flat |= {f"{name}_{metric}": value for metric, value in values.items()}
        for difference in self.differences:
            flat[f"gain_{difference.metric}_{difference.baseline}"] = difference.value
            flat[f"gain_{difference.metric}_{difference.baseline}_low"] = difference.low
        return flat


def average_precision(late: np.ndarray, score: np.ndarray) -> float:
    """PR-AUC of a score, shape ``(rows,)`` each."""
    import numpy as np  # noqa: PLC0415  (see samples)

    return float(_Ranked(late, score, np.zeros(len(late), dtype=int)).average_precision(np.ones(1)))


def brier_score(late: np.ndarray, probability: np.ndarray) -> float:
    """Mean squared error of a probability, shape ``(rows,)`` each."""
    return float(((probability - late) ** 2).mean())


def evaluate(late: np.ndarray, days: np.ndarray, model: np.ndarray, baselines: Mapping[str, np.ndarray]) -> Evaluation:
    """Compare a model with baselines on the same flights.

    Args:
        late: labels, shape ``(rows,)``.
        days: day index from 0, shape ``(rows,)``.
        model: the model's probabilities, shape ``(rows,)``.
        baselines: name to probabilities, shape ``(rows,)`` each.
    """
    import numpy as np  # noqa: PLC0415

    count = int(days.max()) + 1
    draws = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)
    ours_pr, ours_brier = _resampled(late, days, model, draws)
    differences = []
    for name, probability in baselines.items():
        theirs_pr, theirs_brier = _resampled(late, days, probability, draws)
        gain = average_precision(late, model) - average_precision(late, probability)
        differences.append(_difference("pr_auc", name, gain, ours_pr - theirs_pr))
        gain = brier_score(late, probability) - brier_score(late, model)
        differences.append(_difference("brier", name, gain, theirs_brier - ours_brier))
    return Evaluation(
        pr_auc=average_precision(late, model),
        brier=brier_score(late, model),
        mean_probability=float(model.mean()),
        late_share=float(late.mean()),
        baselines={
            name: {"pr_auc": average_precision(late, probability), "brier": brier_score(late, probability)}
            for name, probability in baselines.items()
        },
        differences=tuple(differences),
    )


def _difference(metric: str, baseline: str, value: float, resampled: np.ndarray) -> Difference:
    import numpy as np  # noqa: PLC0415

    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Difference(metric, baseline, value, float(low), float(high))


def _resampled(
    late: np.ndarray, days: np.ndarray, score: np.ndarray, draws: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Both metrics for each draw of days, shape ``(draws,)`` each."""
    import numpy as np  # noqa: PLC0415

    ranked = _Ranked(late, score, days)
    precision = np.array([ranked.average_precision(weights) for weights in draws])
    squared = np.bincount(days, (score - late) ** 2)
    return precision, (draws @ squared) / (draws @ np.bincount(days))


class _Ranked:
    """Rows in the order of their score, sorted once for all draws."""

    def __init__(self, late: np.ndarray, score: np.ndarray, days: np.ndarray) -> None:
        import numpy as np  # noqa: PLC0415

        order = np.argsort(-score, kind="stable")
        self._late, self._days = late[order].astype(float), days[order]
        ranked = score[order]
        self._thresholds = np.append(ranked[1:] != ranked[:-1], True)

    def average_precision(self, weights: np.ndarray) -> float:
        """With a weight for each day."""
        import numpy as np  # noqa: PLC0415

        weight = weights[self._days]
        hits = np.cumsum(weight * self._late)[self._thresholds]
        taken = np.cumsum(weight)[self._thresholds]
        precision = np.divide(hits, taken, out=np.zeros_like(hits), where=taken > 0)
        return float((np.diff(hits / hits[-1], prepend=0.0) * precision).sum())
