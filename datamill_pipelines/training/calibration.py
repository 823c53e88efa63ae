"""A classifier whose probabilities were set right on days that it had not seen (Platt 1999)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from sklearn.base import BaseEstimator, ClassifierMixin

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline


class Calibrated(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A fitted pipeline, and the line that its log-odds are put through.

    Attributes:
        model: a fitted pipeline with ``decision_function``.
        slope: of the line.
        intercept: of the line.
    """

    def __init__(self, model: Pipeline, slope: float = 1.0, intercept: float = 0.0) -> None:
        self.model = model
        self.slope = slope
        self.intercept = intercept

    @classmethod
    def of(cls, model: Pipeline, unseen: np.ndarray, late: np.ndarray) -> Self:
        """Fit the line to log-odds of rows that the model which made them had not seen.

        Args:
            model: fitted on all rows.
            unseen: log-odds from folds, shape ``(rows,)``.
            late: labels, shape ``(rows,)``.
        """
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  (slow to import)

        line = LogisticRegression(C=1e6).fit(unseen.reshape(-1, 1), late)
        return cls(model, float(line.coef_[0, 0]), float(line.intercept_[0]))

    @property
    def classes_(self) -> np.ndarray:
        """The two classes."""
        classes: np.ndarray = self.model.classes_
        return classes

    def __sklearn_is_fitted__(self) -> bool:
        """Always: the parts are fitted before they are joined."""
        return True

    def fit(self, frame: pd.DataFrame, late: np.ndarray) -> Self:
        """Fit the pipeline again, under the same line."""
        self.model.fit(frame, late)
        return self

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Probabilities of both classes, shape ``(rows, 2)``."""
        import numpy as np  # noqa: PLC0415

        positive = 1 / (1 + np.exp(-(self.slope * self.model.decision_function(frame) + self.intercept)))
        return np.column_stack([1 - positive, positive])

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """The likelier class, shape ``(rows,)``."""
        likely: np.ndarray = self.classes_[(self.predict_proba(frame)[:, 1] > 0.5).astype(int)]  # noqa: PLR2004
        return likely
