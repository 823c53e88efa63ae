"""What the engine asks of a way to land: by position (:mod:`.positioned`) or by message id (:mod:`.identified`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

from datamill_pipelines.stream.errors import BadMessageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datamill_pipelines.stream.draft import Draft, Head
    from datamill_pipelines.stream.records import DeadLetter, Records

FORMAT = 2
"""Of the rules in ``_sink.json``. Since 2, tables give a dictionary only to columns that repeat (docs/formats.md)."""

READABLE = (1, FORMAT)
"""What a sink continues: files of the old writer stay as they are until they are written again."""

BadMessages = Literal["keep", "stop"]
"""Keep bad messages as dead letters and land the rest, or stop at the first."""


@dataclass
class Counts:
    """What was landed.

    Attributes:
        rows: good messages.
        dead_letters: bad ones, kept.
        known: messages whose id was landed before.
        accepted: columns that messages added, type by name.
    """

    rows: int = 0
    dead_letters: int = 0
    known: int = 0
    accepted: dict[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is new."""
        return not (self.rows or self.dead_letters)

    def facts(self) -> dict[str, object]:
        """As a commit's metadata say it."""
        accepted = {"accepted_columns": dict(sorted(self.accepted.items()))} if self.accepted else {}
        return {"rows_landed": self.rows, "dead_letters": self.dead_letters, **accepted}

    def __iadd__(self, other: Counts) -> Self:
        """Add another count."""
        self.rows += other.rows
        self.dead_letters += other.dead_letters
        self.known += other.known
        self.accepted |= other.accepted
        return self


class Landing(ABC):
    """Takes records, and writes them into drafts. Used by one thread at a time."""

    @property
    @abstractmethod
    def waiting_bytes(self) -> int:
        """Memory of what waits to be written."""

    @abstractmethod
    def restore(self, head: Head) -> None:
        """Begin on a head, forgetting what waits.

        Raises:
            IncompatibleSinkError: the dataset was landed under rules that ours contradict.
        """

    @abstractmethod
    def add(self, records: Records) -> None:
        """Take records.

        Raises:
            BadMessageError: one is bad, and the policy says to stop.
        """

    @property
    @abstractmethod
    def has_finished(self) -> bool:
        """Whether there is something that will never change."""

    @abstractmethod
    def write_finished(self, draft: Draft) -> None:
        """Write what will never change, to free its memory."""

    @abstractmethod
    def write_all(self, draft: Draft) -> Counts:
        """Write everything that waits, with the positions that belong to it."""

    @abstractmethod
    def forget(self) -> None:
        """What was written is committed."""


def stop_at(letters: Iterable[DeadLetter], policy: BadMessages) -> None:
    """Refuse bad messages if the policy says so.

    Raises:
        BadMessageError: there is one.
    """
    if policy == "keep":
        return
    for letter in letters:
        origin = letter.origin
        place = origin.place + (f" at offset {origin.offset}" if origin.offset is not None else "")
        raise BadMessageError(
            f"A bad message in {place}{f' with id {origin.message_id}' if origin.message_id else ''}: {letter.reason}.",
            instruction="Correct its publisher, and land it as a dead letter with `--bad-messages keep`"
            " (`bad_messages: keep` in the configuration of a job).",
        )
