"""What stops a sink: each is a fact about the source, with the command that resolves it.

::

    DatamillError
    └── SinkError
        ├── UnknownTopicError        the topic does not exist
        ├── RecreatedTopicError      a topic of this name exists, but it is another one than the one that was landed
        ├── RetentionGapError        records after the landed position were deleted before they were landed
        ├── TruncatedTopicError      the topic ends before the landed position: records that were landed are gone
        ├── BadMessageError          a bad message, and the policy says to stop
        └── IncompatibleSinkError    the dataset was landed under rules that the new ones contradict
"""

from __future__ import annotations

from datamill_infra.model.errors import DatamillError


class SinkError(DatamillError):
    """The source is not what the dataset says it was."""


class UnknownTopicError(SinkError):
    """The topic does not exist."""


class RecreatedTopicError(SinkError):
    """A topic of this name exists, but it is another one than the one that was landed."""


class RetentionGapError(SinkError):
    """Records after the landed position were deleted before they were landed."""


class TruncatedTopicError(SinkError):
    """The topic ends before the landed position: records that were landed are gone."""


class BadMessageError(SinkError):
    """A bad message, and the policy says to stop."""


class IncompatibleSinkError(SinkError):
    """The dataset was landed under rules that the new ones contradict."""
