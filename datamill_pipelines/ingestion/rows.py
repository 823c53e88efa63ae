"""Sets of row numbers as intervals, and the text in which a topic carries one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Rows:
    """A set of row numbers.

    Attributes:
        intervals: ``(first, end)`` with ``end`` excluded; sorted, disjoint, not touching.
    """

    intervals: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, intervals: Iterable[tuple[int, int]]) -> Rows:
        """The union of intervals in any order."""
        merged: list[tuple[int, int]] = []
        for first, end in sorted(intervals):
            if first >= end:
                continue
            if merged and first <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((first, end))
        return cls(tuple(merged))

    @classmethod
    def parse(cls, text: str) -> Rows:
        """Read what :meth:`__str__` wrote, for example ``0-27003,111296-120000`` (ends included).

        Raises:
            ConfigurationError: it is something else.
        """
        try:
            pairs = [part.split("-") for part in text.split(",") if part]
            return cls.of((int(first), int(last) + 1) for first, last in pairs)
        except ValueError:
            raise ConfigurationError(
                f"{text!r} is not a list of row intervals.",
                instruction="Something else than a replay writes to this topic with its headers; replay into another.",
            ) from None

    def __str__(self) -> str:
        """As text; ends are included."""
        return ",".join(f"{first}-{end - 1}" for first, end in self.intervals)

    def __len__(self) -> int:
        """How many rows."""
        return sum(end - first for first, end in self.intervals)

    def __contains__(self, row: object) -> bool:
        """Whether a row is in the set."""
        return isinstance(row, int) and any(first <= row < end for first, end in self.intervals)

    def __or__(self, other: Rows) -> Rows:
        """The union."""
        return Rows.of((*self.intervals, *other.intervals))
