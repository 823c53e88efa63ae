"""What stops ingestion.

::

    DatamillError
    └── IngestionError
        ├── ReplayTakenOverError   another replay of the same topic has started: it goes on, this one ends
        ├── UnsafeTopicError       the topic would lose what is written to it
        └── UndeliveredError       a broker did not confirm messages within the budget
"""

from __future__ import annotations

from datamill_infra.model.errors import DatamillError


class IngestionError(DatamillError):
    """Events could not be brought to a broker."""


class ReplayTakenOverError(IngestionError):
    """Another replay of the same topic has started: it goes on, this one ends."""


class UnsafeTopicError(IngestionError):
    """The topic would lose what is written to it."""


class UndeliveredError(IngestionError):
    """A broker did not confirm messages within the budget."""
