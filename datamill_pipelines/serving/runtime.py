"""What runs inside the model server: a scikit-learn classifier over named columns.

Imported by MLServer, by the name in ``model-settings.json``. Each input tensor is one column; a missing number is
``null``. The one output, ``probability``, is that of the positive class, a value per row.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import get_model_uri

from datamill_pipelines.training import model_file

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
            InferenceError: a feature is missing, or one is there that the model does not know.
        """
        columns = {tensor.name: tensor.data.root for tensor in payload.inputs}
        if set(columns) != set(self._features):
            missing, unknown = sorted(set(self._features) - set(columns)), sorted(set(columns) - set(self._features))
            message = f"features missing: {missing}; features unknown: {unknown}"
            raise InferenceError(message)
        frame = pd.DataFrame(
            {
                name: pd.Series(columns[name], dtype=object if role == "category" else "float64")
                for name, role in self._features.items()
            }
        )
        probability = self._model.predict_proba(frame)[:, 1]
        return InferenceResponse(
            id=payload.id,
            model_name=self.name,
            model_version=self.version,
            outputs=[NumpyCodec.encode_output(OUTPUT, probability)],
        )
