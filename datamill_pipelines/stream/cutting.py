"""Where one file of a dataset ends and the next begins.

Records of a partition are counted in the order of the partition: 0, 1, 2, ... (Counted, not addressed by broker offset:
aborted transactions and markers use up offsets, so the same records can have other offsets after an interrupted
replay.) Files are cut by a pure function of how many are landed, so the same records give the same files, however often
and whenever commits happened between.

The function writes the number of landed records in a positional system. A *window* of records is final. The records of
the last, unfinished window lie in blocks an eighth of it, an eighth of that, and so on down to the *grain*; a last
block takes what remains. Like digits that carry, eight full blocks become one of the next size::

    131,072 landed:  [window]
     20,000 landed:  [16,384] [2,048] [1,568]
     20,500 landed:  [16,384] [2,048] [2,048] [20]

So a commit of few records rewrites little (each record is written once per size, not once per commit), and a
partition never has more than a few dozen small files.
"""

from __future__ import annotations

from dataclasses import dataclass

from datamill_infra.model.errors import ConfigurationError

DIGITS = 12
"""Width of a record number in a file's name: names sort as numbers do."""


@dataclass(frozen=True, order=True)
class Block:
    """Records ``start`` to ``end`` (excluded) of a partition."""

    start: int
    end: int

    @property
    def name(self) -> str:
        """How the block's file is named, without folder and suffix."""
        return f"{self.start:0{DIGITS}d}-{self.end:0{DIGITS}d}"


@dataclass(frozen=True)
class Cutting:
    """The sizes of blocks, in records.

    Attributes:
        window: records in a final block.
        fan_in: how many blocks of one size make one of the next.
        grain: the smallest full block.
    """

    window: int = 131_072
    fan_in: int = 8
    grain: int = 2_048

    def __post_init__(self) -> None:
        """Refuse sizes that do not nest."""
        # Sizes are powers of the fan-in times the grain, or blocks would not nest.
        size = self.grain
        while size < self.window and self.fan_in > 1:
            size *= self.fan_in
        if self.grain < 1 or size != self.window:
            raise ConfigurationError(
                f"A window of {self.window} records is not {self.grain} times a power of {self.fan_in}.",
                instruction="Choose the window as grain x fan_in x fan_in ..., for example 2,048 x 8 x 8 = 131,072.",
            )

    def window_start(self, landed: int) -> int:
        """First record of the unfinished window."""
        return landed - landed % self.window

    def blocks(self, landed: int, start: int = 0) -> list[Block]:
        """The blocks of a partition with ``landed`` records, from ``start`` on (the start of a window)."""
        cut: list[Block] = []
        size = self.window
        while start < landed:
            while size > self.grain and start + size > landed:
                size //= self.fan_in
            end = min(start + size, landed)
            cut.append(Block(start, end))
            start = end
        return cut

    def change(self, before: int, after: int) -> tuple[list[Block], list[Block]]:
        """What a commit does that takes a partition from ``before`` to ``after`` landed records.

        Returns:
            The blocks that go, and the blocks that come. All that go lie at the end, without a gap before ``before``.
        """
        start = self.window_start(before)
        old, new = self.blocks(before, start), self.blocks(after, start)
        staying = set(old) & set(new)
        return [block for block in old if block not in staying], [block for block in new if block not in staying]
