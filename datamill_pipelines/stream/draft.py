"""The one door to the transaction that a sink writes into.

What is written is encoded, digested and put in a thread of the draft's own, one thing after the other, while the next
records are decoded.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from datamill_pipelines.datasets.transaction import Transaction
    from datamill_pipelines.datasets.views import CommitView

RULES = "_sink.json"
"""Reserved path: the rules under which the dataset is landed, and the columns that were accepted."""

RULES_KEY = "rules"
"""Position that moves by one when the rules change, so that of two sinks that change them one is fenced."""

UNWRITTEN = 1
"""Writes that may wait for the one before them: a table's memory, and enough that the writer does not wait."""


class Head:
    """The state of the branch that a sink continues.

    Args:
        view: the branch's commit; ``None`` when it has none.
    """

    def __init__(self, view: CommitView | None) -> None:
        self.view = view
        positions = view.commit.positions if view is not None else {}
        self.ends: Mapping[str, int] = {key: position.end for key, position in positions.items()}

    def read(self, path: str) -> bytes | None:
        """A file's bytes, ``None`` when there is none."""
        return None if self.view is None or path not in self.view else self.view.read_bytes(path)

    def table(self, path: str) -> pa.Table | None:
        """A table, ``None`` when there is none."""
        data = self.read(path)
        return None if data is None else pq.read_table(pa.BufferReader(data))

    def rules(self) -> dict[str, object] | None:
        """What :data:`RULES` says."""
        content = self.read(RULES)
        return None if content is None else dict(orjson.loads(content))


class Draft:
    """What the next commit of a sink will be.

    Whatever writing raised is raised by the next call, and by :meth:`finish` at the latest.

    Args:
        txn: the open transaction.
    """

    def __init__(self, txn: Transaction) -> None:
        self._txn = txn
        self.head = Head(txn.head)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="sink-writer")
        self._unwritten: deque[Future[object]] = deque()

    def table(self, path: str) -> pa.Table | None:
        """A table of the head."""
        return self.head.table(path)

    def put_table(self, path: str, table: pa.Table) -> None:
        """Write a table, rows in this order."""
        self._later(lambda: self._txn.put_table(path, table))

    def delete(self, path: str) -> None:
        """Remove a file of the head."""
        self._later(lambda: self._txn.delete(path))

    def advance(self, key: str, end: int, *, start: int | None = None, adopt: bool = False) -> None:
        """Move a position; the commit is refused if someone else has moved it meanwhile.

        Args:
            key: of the position.
            end: where it is after the commit.
            start: where it is now; what the head says when ``None``.
            adopt: move it from wherever it is.
        """
        begun = self.head.ends.get(key, 0) if start is None else start
        self._txn.advance(key, begun, end, adopt=adopt)

    def note(self, facts: Mapping[str, object]) -> None:
        """Say something in the commit's metadata."""
        self._txn.metadata.update(facts)

    def put_rules(self, rules: Mapping[str, object]) -> None:
        """Record the rules if they are new or have changed."""
        if self.head.rules() == rules:
            return
        content = orjson.dumps(rules, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
        self._later(lambda: self._txn.put(RULES, content))
        self.advance(RULES_KEY, self.head.ends.get(RULES_KEY, 0) + 1)

    def finish(self) -> None:
        """Return when everything is written. Raises what writing raised."""
        while self._unwritten:
            self._unwritten.popleft().result()

    def close(self) -> None:
        """Write nothing more; return when what is being written has ended."""
        self._writer.shutdown(cancel_futures=True)

    def _later(self, write: Callable[[], object]) -> None:
        while self._unwritten and (len(self._unwritten) > UNWRITTEN or self._unwritten[0].done()):
            self._unwritten.popleft().result()
        self._unwritten.append(self._writer.submit(write))
