"""How far into its sources a branch has read, and the fence that keeps it right.

A position is keyed by whatever identifies an unbroken sequence of the source, for Kafka cluster id, topic id and
partition. A batch from ``start`` to ``end`` is valid only on a head whose position of that key ends at ``start``. It
is checked when the transaction begins and again, against the head it really lands on, when it is committed; a batch
that does not fit is discarded, never retried on top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from datamill_pipelines.datasets.errors import FencedError

if TYPE_CHECKING:
    from collections.abc import Mapping


class PositionRange(NamedTuple):
    """What the last batch of a key covered.

    Attributes:
        start: first position, included.
        end: first position not covered.
    """

    start: int
    end: int


Positions = dict[str, PositionRange]


class Advance(NamedTuple):
    """One key's step in a transaction.

    Attributes:
        start: where the batch starts.
        end: where it ends.
        adopt: the step is an explicit adoption (a recreated topic, a gap): it fits any head.
    """

    start: int
    end: int
    adopt: bool = False


def check_advances(branch: str, head: Mapping[str, PositionRange], advances: Mapping[str, Advance]) -> None:
    """Refuse a batch that does not continue the head.

    Raises:
        FencedError: some key's start is not where the head ends.
    """
    for key, step in advances.items():
        known = head.get(key)
        if known is not None and not step.adopt and known.end != step.start:
            raise FencedError(
                f"The batch of {key} starts at {step.start}, but {branch} has read up to {known.end}:"
                " another writer committed first, or this one was asleep.",
                instruction="Discard the batch, read the branch's positions again and continue from there.",
                key=key,
                expected=known.end,
                start=step.start,
            )


def advanced(head: Mapping[str, PositionRange], advances: Mapping[str, Advance]) -> Positions:
    """The positions after the steps."""
    return dict(head) | {key: PositionRange(step.start, step.end) for key, step in advances.items()}
