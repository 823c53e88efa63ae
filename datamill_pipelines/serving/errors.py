"""What can go wrong between a registered model and a recorded prediction.

::

    ServingError
    ├── ModelServerError      the model server refused, or did not answer as the protocol says
    ├── InvalidInputError     a row does not have the features that the model was trained on
    └── NoChampionError       no version of the model has passed the gate yet
"""

from __future__ import annotations

from datamill_infra.model.errors import DatamillError


class ServingError(DatamillError):
    """Publishing or asking a model failed."""


class ModelServerError(ServingError):
    """The model server refused, or did not answer as the protocol says."""


class InvalidInputError(ServingError, ValueError):
    """A row does not have the features that the model was trained on."""


class NoChampionError(ServingError):
    """No version of the model has passed the gate yet."""
