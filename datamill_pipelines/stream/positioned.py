"""Records with positions: where they lie in the dataset.

Each partition of the topic has a folder, and each block of :mod:`~datamill_pipelines.stream.cutting` a file in it (and
one under the reserved folder if it has bad messages)::

    00002/000000000000-000000131072.parquet
    00002/000000131072-000000132900.parquet
    _dead_letters/00002/000000131072-000000132900.parquet

A block's file holds what its records say, in their order, and nothing of when they were landed. Columns that were
accepted later are in a block's file only if a record of the block has a value for them. So the tree is a pure function
of the records landed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from datamill_pipelines.stream.codec import conform, decode
from datamill_pipelines.stream.cutting import Cutting
from datamill_pipelines.stream.errors import IncompatibleSinkError
from datamill_pipelines.stream.landing import FORMAT, READABLE, BadMessages, Counts, Landing, stop_at
from datamill_pipelines.stream.records import DEAD_LETTER_SCHEMA, DEAD_LETTERS, DeadLetter, dead_letter_table

if TYPE_CHECKING:
    from datamill_pipelines.stream.cutting import Block
    from datamill_pipelines.stream.draft import Draft, Head
    from datamill_pipelines.stream.records import Records
    from datamill_pipelines.stream.schema import MessageSchema

LANDED = "records/"
"""Positions with this prefix count the records landed of a partition, whatever topic they came from."""


@dataclass(frozen=True)
class Piece:
    """Decoded records ``start`` to ``end`` (excluded) of a partition.

    Attributes:
        start: number of the first record.
        end: number after the last.
        rows: the good ones, in order.
        letters: the bad ones, in order, with their numbers.
    """

    start: int
    end: int
    rows: pa.Table
    letters: pa.Table

    def split(self, at: int) -> tuple[Piece, Piece]:
        """The records before number ``at``, and the rest."""
        bad = int(np.count_nonzero(self.letters["record"].to_numpy() < at))
        good = at - self.start - bad
        return (
            Piece(self.start, at, self.rows.slice(0, good), self.letters.slice(0, bad)),
            Piece(at, self.end, self.rows.slice(good), self.letters.slice(bad)),
        )


@dataclass
class Partition:
    """What is landed of one partition, and what waits.

    Attributes:
        landed: number of records that have files, counting those of the open draft.
        waiting: decoded records after those.
    """

    landed: int
    waiting: list[Piece] = field(default_factory=list)

    @property
    def next(self) -> int:
        """Number of the next record."""
        return self.waiting[-1].end if self.waiting else self.landed

    def take(self, upto: int) -> list[Piece]:
        """What waits before record ``upto``, no longer waiting."""
        taken: list[Piece] = []
        while self.waiting and self.waiting[0].start < upto:
            piece = self.waiting.pop(0)
            if piece.end > upto:
                piece, rest = piece.split(upto)
                self.waiting.insert(0, rest)
            taken.append(piece)
        return taken


class PositionedLanding(Landing):
    """Lands each record once, by its number in its partition.

    Args:
        schema: declared columns.
        cutting: sizes of blocks; a dataset keeps the one it was begun with.
        bad_messages: keep them, or stop.
        dataset: its name, for messages.
    """

    def __init__(
        self,
        schema: MessageSchema,
        *,
        dataset: str,
        cutting: Cutting | None = None,
        bad_messages: BadMessages = "keep",
    ) -> None:
        self._declared = self._schema = schema
        self._dataset, self._bad_messages = dataset, bad_messages
        self._cutting = cutting or Cutting()
        self._partitions: dict[int, Partition] = {}
        self._ends: dict[str, int] = {}
        self._waiting_bytes = 0
        self._counts = Counts()

    @property
    def waiting_bytes(self) -> int:
        """Memory of what waits to be written."""
        return self._waiting_bytes

    def rules(self) -> dict[str, Any]:
        """As they are recorded in the dataset."""
        return {"format": FORMAT, "by": "position", "cutting": asdict(self._cutting), "columns": self._schema.to_json()}

    def restore(self, head: Head) -> None:
        """Begin on a head, forgetting what waits."""
        self._partitions, self._ends = {}, dict(head.ends)
        self._waiting_bytes, self._counts = 0, Counts()
        self._schema = self._declared
        recorded: dict[str, Any] | None = head.rules()
        if recorded is None:
            return
        ours = ("position", asdict(self._cutting))
        if recorded["format"] not in READABLE or (recorded["by"], recorded.get("cutting")) != ours:
            raise IncompatibleSinkError(
                f"{self._dataset} was landed with the rules {recorded['by']} {recorded.get('cutting')}, not"
                f" position {asdict(self._cutting)}.",
                instruction="Use the recorded rules (see _sink.json in the dataset), or land in another dataset.",
            )
        self._schema = self._declared.continue_from(recorded["columns"], self._dataset)

    def add(self, records: Records) -> None:
        """Take records of one partition, the next after those taken before."""
        partition = self._partition(records.partition)
        before = self._schema.accepted
        decoded = decode(records.values, self._schema)
        start = partition.next
        letters = [
            DeadLetter(records.origin(dead.index), start + dead.index, records.values[dead.index], dead.reason)
            for dead in decoded.dead
        ]
        stop_at(letters, self._bad_messages)
        self._schema = decoded.schema
        piece = Piece(start, start + len(records), decoded.table, dead_letter_table(letters))
        partition.waiting.append(piece)
        self._waiting_bytes += piece.rows.nbytes + piece.letters.nbytes
        added = {name: type_ for name, type_ in self._schema.accepted.items() if name not in before}
        self._counts += Counts(rows=piece.rows.num_rows, dead_letters=len(letters), accepted=added)

    @property
    def has_finished(self) -> bool:
        """Whether a window is complete."""
        return any(self._cutting.window_start(each.next) > each.landed for each in self._partitions.values())

    def write_finished(self, draft: Draft) -> None:
        """Write the windows that are complete."""
        for number, partition in self._partitions.items():
            complete = self._cutting.window_start(partition.next)
            if complete > partition.landed:
                self._write(draft, number, partition, complete)

    def write_all(self, draft: Draft) -> Counts:
        """Write everything that waits, and how far each partition is."""
        for number, partition in self._partitions.items():
            if partition.waiting:
                self._write(draft, number, partition, partition.next)
            key = f"{LANDED}{number}"
            if partition.landed > self._ends.get(key, 0):
                draft.advance(key, partition.landed)
        draft.put_rules(self.rules())
        return self._counts

    def forget(self) -> None:
        """What was written is committed."""
        self._ends |= {f"{LANDED}{number}": partition.landed for number, partition in self._partitions.items()}
        self._counts = Counts()

    def _partition(self, number: int) -> Partition:
        if number not in self._partitions:
            self._partitions[number] = Partition(self._ends.get(f"{LANDED}{number}", 0))
        return self._partitions[number]

    def _write(self, draft: Draft, number: int, partition: Partition, upto: int) -> None:
        going, coming = self._cutting.change(partition.landed, upto)
        pieces = [_read(draft, number, block) for block in going] + partition.take(upto)
        merged = Piece(
            pieces[0].start,
            upto,
            pa.concat_tables([conform(piece.rows, self._schema) for piece in pieces]),
            pa.concat_tables([piece.letters for piece in pieces]),
        )
        for block in going:
            for path in (_rows_path(number, block), _letters_path(number, block)):
                draft.delete(path)
        for block in coming:
            one, merged = merged.split(block.end)
            if one.rows.num_rows:
                draft.put_table(_rows_path(number, block), _tidy(one.rows, self._schema))
            if one.letters.num_rows:
                draft.put_table(_letters_path(number, block), one.letters)
        partition.landed = upto
        self._waiting_bytes = sum(
            piece.rows.nbytes + piece.letters.nbytes for each in self._partitions.values() for piece in each.waiting
        )


def _read(draft: Draft, number: int, block: Block) -> Piece:
    rows, letters = draft.table(_rows_path(number, block)), draft.table(_letters_path(number, block))
    return Piece(
        block.start,
        block.end,
        pa.table({}) if rows is None else rows,
        DEAD_LETTER_SCHEMA.empty_table() if letters is None else letters.cast(DEAD_LETTER_SCHEMA),
    )


def _tidy(rows: pa.Table, schema: MessageSchema) -> pa.Table:
    """Without the accepted columns that no row has a value for."""
    empty = [name for name in schema.accepted if rows[name].null_count == rows.num_rows]
    return rows.drop_columns(empty) if empty else rows


def _rows_path(partition: int, block: Block) -> str:
    return f"{partition:05d}/{block.name}.parquet"


def _letters_path(partition: int, block: Block) -> str:
    return f"{DEAD_LETTERS}/{partition:05d}/{block.name}.parquet"
