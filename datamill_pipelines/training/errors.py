"""What can go wrong in training."""

from __future__ import annotations

from datamill_infra.model.errors import DatamillError


class TrainingError(DatamillError):
    """There is nothing to train on, or what is there cannot be learned from."""
