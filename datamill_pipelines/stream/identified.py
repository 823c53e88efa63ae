"""Messages with ids: the dataset is the set of them.

A broker without positions delivers a message again when it did not see the acknowledgement, so the id decides what is
new. Messages lie in one file per *window* of event time (an hour, a day, a month in UTC), sorted by id::

    2013-01.parquet
    _dead_letters/3.parquet

A message is landed if its window has no message with its id: that is the stated window of exactly once, and it does not
end with time, only a message whose event time is in another window is another message. A message without an id
is landed each time it is delivered: at least once. The tree is a pure function of the messages landed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from datamill_infra.model.errors import ConfigurationError
from datamill_pipelines.stream.codec import conform, decode
from datamill_pipelines.stream.errors import IncompatibleSinkError
from datamill_pipelines.stream.landing import FORMAT, READABLE, BadMessages, Counts, Landing, stop_at
from datamill_pipelines.stream.records import DEAD_LETTER_SCHEMA, DEAD_LETTERS, DeadLetter, Origin, dead_letter_table
from datamill_pipelines.stream.schema import Column, MessageSchema

if TYPE_CHECKING:
    from datamill_pipelines.stream.draft import Draft, Head
    from datamill_pipelines.stream.records import Records

Window = Literal["hour", "day", "month"]
NAMES: dict[Window, str] = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m"}
"""How a window's file is named, by its length."""

ID = "message_id"
"""The column that holds the id."""

LANDED = "messages"
"""Position that counts the messages landed; of two sinks that land at once it fences one."""

REUSED = "another message with this id is landed"


class IdentifiedLanding(Landing):
    """Lands each message once, by its id within its window.

    Args:
        schema: declared columns; none may be called ``message_id``.
        event_time: the timestamp column that says in which window a message lies; required.
        window: length of a window.
        dataset: its name, for messages.
        bad_messages: keep them, or stop.

    Raises:
        ConfigurationError: the schema does not fit.
    """

    def __init__(
        self,
        schema: MessageSchema,
        *,
        event_time: str,
        window: Window,
        dataset: str,
        bad_messages: BadMessages = "keep",
    ) -> None:
        if event_time not in schema.required() or not schema.types()[event_time].startswith("timestamp"):
            raise ConfigurationError(
                f"The event time {event_time!r} of {dataset} is not a required timestamp column.",
                instruction=f"Declare Column({event_time!r}, 'timestamp[us, tz=UTC]', required=True).",
            )
        if ID in schema.types():
            raise ConfigurationError(
                f"The schema of {dataset} declares {ID!r}, which is where the sink keeps the message's id.",
                instruction="Name the column otherwise.",
            )
        self._declared = self._schema = schema
        self._event_time, self._window = event_time, window
        self._dataset, self._bad_messages = dataset, bad_messages
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0
        self._letters: list[DeadLetter] = []
        self._landed = 0

    @property
    def waiting_bytes(self) -> int:
        """Memory of what waits to be written."""
        return self._waiting_bytes

    def rules(self) -> dict[str, Any]:
        """As they are recorded in the dataset."""
        return {
            "format": FORMAT,
            "by": "message id",
            "event_time": self._event_time,
            "window": self._window,
            "columns": self._schema.to_json(),
        }

    def restore(self, head: Head) -> None:
        """Begin on a head, forgetting what waits."""
        self.forget()
        self._rebase(head)

    def add(self, records: Records) -> None:
        """Take messages."""
        decoded = decode(records.values, self._schema)
        bad = {dead.index for dead in decoded.dead}
        letters = [
            DeadLetter(records.origin(dead.index), None, records.values[dead.index], dead.reason)
            for dead in decoded.dead
        ]
        stop_at(letters, self._bad_messages)
        self._schema = decoded.schema
        self._letters += letters
        ids = pa.array([records.message_id(index) for index in range(len(records)) if index not in bad], pa.string())
        self._waiting.append(decoded.table.append_column(ID, ids))
        self._waiting_bytes += self._waiting[-1].nbytes + sum(len(each.value or b"") for each in letters)

    @property
    def has_finished(self) -> bool:
        """Never: a message of any window may come at any time."""
        return False

    def write_finished(self, draft: Draft) -> None:
        """Nothing is ever finished."""

    def write_all(self, draft: Draft) -> Counts:
        """Merge what waits into the files of its windows. What waits stays until :meth:`forget`."""
        self._rebase(draft.head)
        counts = Counts()
        letters, touched = list(self._letters), list[str]()
        schema = self._with_id()
        tables = [conform(table, schema) for table in self._waiting]
        waiting = pa.concat_tables(tables) if tables else schema.arrow().empty_table()
        names = np.array(pc.strftime(waiting[self._event_time], format=NAMES[self._window]).to_pylist(), dtype=str)
        for name in np.unique(names).tolist():
            arrived = waiting.filter(pa.array(names == name))
            present = draft.table(f"{name}.parquet")
            present = conform(present, schema) if present is not None else schema.arrow().empty_table()
            new, reused, known = _new(present, arrived)
            letters += [_reused(row) for row in reused]
            counts += Counts(rows=new.num_rows, known=known)
            if new.num_rows:
                touched.append(name)
                merged = _tidy(pa.concat_tables([present, new]).sort_by(_order(schema)), self._schema)
                draft.put_table(f"{name}.parquet", merged)
        counts += Counts(dead_letters=_keep(draft, letters))
        if counts.rows or counts.dead_letters:
            draft.advance(LANDED, self._landed + counts.rows + counts.dead_letters)
            draft.put_rules(self.rules())
            draft.note({"windows": touched, "ids_unique_per": self._window})
        return counts

    def forget(self) -> None:
        """What was written is committed."""
        self._waiting, self._letters, self._waiting_bytes = [], [], 0

    def _rebase(self, head: Head) -> None:
        self._landed = head.ends.get(LANDED, 0)
        recorded: dict[str, Any] | None = head.rules()
        if recorded is None:
            return
        ours = {name: value for name, value in self.rules().items() if name not in {"columns", "format"}}
        theirs = {name: value for name, value in recorded.items() if name not in {"columns", "format"}}
        if ours != theirs or recorded["format"] not in READABLE:
            raise IncompatibleSinkError(
                f"{self._dataset} was landed with the rules {recorded}, not {ours}.",
                instruction="Use the recorded rules, or land in another dataset.",
            )
        accepted = self._declared.continue_from(recorded["columns"], self._dataset).accepted
        clashing = [name for name, type_ in accepted.items() if self._schema.accepted.get(name, type_) != type_]
        if clashing:
            raise IncompatibleSinkError(
                f"Another sink of {self._dataset} gave the new columns {', '.join(clashing)} other types meanwhile.",
                instruction="Run this sink again: it takes the messages again and judges them by those types.",
            )
        self._schema = self._schema.accept(accepted)

    def _with_id(self) -> MessageSchema:
        return MessageSchema((*self._schema.declared, Column(ID, "string")), self._schema.accepted)


def _new(present: pa.Table, arrived: pa.Table) -> tuple[pa.Table, list[dict[str, Any]], int]:
    """Of the arrived messages: the new ones, those whose id another message has, and how many are known."""
    both = pa.concat_tables([present, arrived]).combine_chunks()
    first: dict[str | None, int] = {}
    new: list[int] = []
    again: list[int] = []
    for index, name in enumerate(both[ID].to_pylist()):
        if name is None or first.setdefault(name, index) == index:
            if index >= present.num_rows:
                new.append(index)
        else:
            again.append(index)
    after = both.take(_indices(again))
    before = both.take(_indices([first[name] for name in after[ID].to_pylist()]))
    equal = np.ones(len(again), dtype=bool)
    for old, now in zip(before.columns, after.columns, strict=True):
        equal &= _equal(old, now)
    return both.take(_indices(new)), after.filter(pa.array(~equal)).to_pylist(), int(np.count_nonzero(equal))


def _indices(numbers: list[int]) -> pa.Int64Array:
    return pa.array(numbers, pa.int64())


def _equal(one: pa.ChunkedArray[Any], other: pa.ChunkedArray[Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """By element; two nulls are equal."""
    if pa.types.is_nested(one.type):
        return np.array([a == b for a, b in zip(one.to_pylist(), other.to_pylist(), strict=True)], dtype=bool)
    both_null: np.ndarray[Any, np.dtype[np.bool_]] = np.array(one.is_null()) & np.array(other.is_null())
    equal: np.ndarray[Any, np.dtype[np.bool_]] = np.array(pc.equal(one, other).fill_null(False), dtype=bool)
    return equal | both_null


def _reused(row: dict[str, Any]) -> DeadLetter:
    import orjson  # noqa: PLC0415 - only for messages that should not exist

    message_id = row.pop(ID)
    value = orjson.dumps({name: value for name, value in row.items() if value is not None}, option=orjson.OPT_UTC_Z)
    return DeadLetter(Origin(place="", message_id=message_id), None, value, REUSED)


def _keep(draft: Draft, letters: list[DeadLetter]) -> int:
    """Merge bad messages into their files; returns how many are new."""
    by_file: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        identity = f"{letter.origin.place}\n{letter.origin.message_id or ''}\n".encode() + (letter.value or b"")
        by_file.setdefault(f"{DEAD_LETTERS}/{blake3(identity).hexdigest(1)[:1]}.parquet", []).append(letter)
    added = 0
    for path, those in sorted(by_file.items()):
        present = draft.table(path)
        rows = [] if present is None else present.cast(DEAD_LETTER_SCHEMA).to_pylist()
        known = {(row["place"], row["message_id"], row["value"]) for row in rows}
        new: list[dict[str, Any]] = []
        for row in dead_letter_table(those).to_pylist():
            what = (row["place"], row["message_id"], row["value"])
            if what not in known:
                known.add(what)
                new.append(row)
        if new:
            merged = pa.Table.from_pylist(rows + new, schema=DEAD_LETTER_SCHEMA)
            draft.put_table(path, merged.sort_by(_ascending("place", "message_id", "value", "reason")))
            added += len(new)
    return added


def _order(schema: MessageSchema) -> list[tuple[str, Literal["ascending", "descending"]]]:
    """By id; messages without one by everything they hold, so that their order of arrival does not show."""
    sortable = [name for name, type_ in schema.types().items() if not type_.startswith("list")]
    return _ascending(ID, *(name for name in sortable if name != ID))


def _ascending(*names: str) -> list[tuple[str, Literal["ascending", "descending"]]]:
    return [(name, "ascending") for name in names]


def _tidy(rows: pa.Table, schema: MessageSchema) -> pa.Table:
    empty = [name for name in schema.accepted if rows[name].null_count == rows.num_rows]
    return rows.drop_columns(empty) if empty else rows
