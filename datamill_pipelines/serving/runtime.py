"""What runs inside the model server: a scikit-learn classifier over named columns.

Imported by MLServer, by the name in ``model-settings.json``. Each input tensor is one column; a missing number is
``null``. The one output, ``probability``, is that of the positive class, a value per row.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import get_model_uri

from datamill_pipelines.training import model_file

if TYPE_CHECKING:
    from collections.abc import Sequence

OUTPUT = "probability"


class TabularClassifier(MLModel):  # type: ignore[misc]  # MLServer ships no types
    """One version of a classifier."""

    async def load(self) -> bool:
        """Read the model's file; only the classes that were named when it was published."""
        extra = self._settings.parameters.extra
        self._features: dict[str, str] = dict(extra["features"])
        self._model = model_file.read(Path(await get_model_uri(self._settings)), extra["trusted"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Probability of the positive class for each row.

        Raises:
            InferenceError: a feature is missing, one is there that the model does not know, or values are not what the
                feature can have. The server answers with status 400 and this text.
        """
        columns = {tensor.name: tensor.data.root for tensor in payload.inputs}
        if set(columns) != set(self._features):
            missing, unknown = sorted(set(self._features) - set(columns)), sorted(set(columns) - set(self._features))
            message = f"features missing: {missing}; features unknown: {unknown}"
            raise InferenceError(message)
        if len({len(values) for values in columns.values()}) != 1:
            lengths = ", ".join(f"{name}: {len(values)}" for name, values in columns.items())
            message = f"every feature must have one value a row, and they have {lengths}"
            raise InferenceError(message)
        frame = pd.DataFrame({name: column(name, role, columns[name]) for name, role in self._features.items()})
        probability = self._model.predict_proba(frame)[:, 1]
        return InferenceResponse(
            id=payload.id,
            model_name=self.name,
            model_version=self.version,
            outputs=[NumpyCodec.encode_output(OUTPUT, probability)],
        )


def column(name: str, role: str, values: Sequence[Any]) -> pd.Series:
    """The values of one feature.

    Args:
        name: of the feature.
        role: ``category`` (text) or ``number`` (``null`` when missing).
        values: as the request has them.

    Raises:
        InferenceError: a value is of the wrong type.
    """
    allowed = str if role == "category" else int | float | None
    wrong = [value for value in values if not isinstance(value, allowed) or isinstance(value, bool)]
    if wrong:
        message = f"feature {name}: {wrong[0]!r} is not {'text' if role == 'category' else 'a number'}"
        raise InferenceError(message)
    return pd.Series(values, dtype=object if role == "category" else "float64")
