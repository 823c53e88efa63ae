"""The classifier: gradient-boosted trees over the features, monotonic where the world is.

A flight is not less likely to be late because more flights before it were late, because of more rain or wind, or
because one can see less far; saying so keeps a model of one month from learning that month's accidents. What one month
cannot teach (how often a route is flown, the day of the week, slow weather such as temperature) is left out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from datamill_pipelines.batch.schema import FEATURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sklearn.pipeline import Pipeline

SEED = 20130101
CATEGORIES = ("carrier", "origin")
LEFT_OUT = frozenset(
    {"dest", "day_of_week", "carrier_flights", "route_flights", "slot_flights", "temp", "dewp", "humid", "pressure"}
)
NUMBERS = tuple(column.name for column in FEATURES if column.role == "number" and column.name not in LEFT_OUT)
RISING = frozenset({"precip", "wind_gust", "wind_speed"})
RISING_ENDINGS = ("late_rate", "recent_delay")
FALLING = frozenset({"visib"})


@dataclass(frozen=True)
class Candidate:
    """One point of the search.

    Attributes:
        max_iter: number of trees.
        learning_rate: of boosting.
        max_leaf_nodes: size of a tree.
        min_samples_leaf: rows in a leaf.
        max_features: share of features looked at for a split.
    """

    max_iter: int = 150
    learning_rate: float = 0.05
    max_leaf_nodes: int = 7
    min_samples_leaf: int = 200
    max_features: float = 0.15

    def to_dict(self) -> dict[str, float]:
        """As parameters of a tracked run."""
        return asdict(self)


CANDIDATES: tuple[Candidate, ...] = (
    Candidate(),
    Candidate(max_leaf_nodes=15),
    Candidate(max_iter=300, learning_rate=0.03),
)
"""The search's grid."""


def monotonic(number: str) -> int:
    """1 if the answer may only rise with a feature, -1 if it may only fall, 0 if it may do either."""
    if number in RISING or number.endswith(RISING_ENDINGS):
        return 1
    return -1 if number in FALLING else 0


def build(candidate: Candidate) -> Pipeline:
    """An unfitted pipeline over a frame with (at least) the columns that it uses, by name."""
    from sklearn.compose import make_column_transformer  # noqa: PLC0415  (slow to import)
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import OrdinalEncoder  # noqa: PLC0415

    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer((encode, list(CATEGORIES)), ("passthrough", list(NUMBERS)), remainder="drop")
    parameters: dict[str, Any] = candidate.to_dict()
    trees = HistGradientBoostingClassifier(
        **parameters,
        monotonic_cst=[0] * len(CATEGORIES) + [monotonic(name) for name in NUMBERS],
        early_stopping=False,
        random_state=SEED,
    )
    return make_pipeline(columns, trees)


def input_columns() -> Sequence[str]:
    """Names of all features, in the order of the features table."""
    return [column.name for column in FEATURES]
