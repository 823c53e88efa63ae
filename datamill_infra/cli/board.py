"""One line per component or step: a live table on a terminal, plain lines elsewhere.

Whoever does the work calls :meth:`Board.show` from any thread each time something changes; the board decides how it
looks. Plain lines are written once per change of state, so that a CI log stays readable.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

STYLES = {
    "waiting": "dim",
    "healthy": "green",
    "unchanged": "green",
    "done": "green",
    "removed": "green",
    "stopped": "green",
    "failed": "bold red",
    "blocked": "bold magenta",
    "skipped": "dim",
}
"""Final states have a style; every other state is work in progress."""

RUNNING_STYLE = "yellow"


@dataclass
class Line:
    """What one row says now.

    Attributes:
        state: one word.
        message: one line, may be empty.
        began: monotonic seconds when the work began, or ``None``.
        seconds: how long it took, once it is over.
    """

    state: str = "waiting"
    message: str = ""
    began: float | None = None
    seconds: float | None = None


class Board(ABC):
    """Rows by name, in the order they were first shown.

    Args:
        title: heads the table.
        names: rows to show from the start, as waiting.
    """

    def __init__(self, title: str, names: Iterable[str] = ()) -> None:
        self.title = title
        self.lines: dict[str, Line] = {name: Line() for name in names}
        self.lock = threading.Lock()

    def show(self, name: str, state: str, message: str = "", *, seconds: float | None = None) -> None:
        """Say what a row does now.

        Args:
            name: of the row.
            state: one word; see :data:`STYLES` for those that end the work.
            message: one line.
            seconds: how long it took; measured from the first change when not given.
        """
        with self.lock:
            line = self.lines.setdefault(name, Line())
            changed = state != line.state
            line.state, line.message = state, message
            if state == "waiting":
                line.began = line.seconds = None
            elif state in STYLES:
                measured = time.monotonic() - line.began if line.began is not None else 0.0
                line.seconds = measured if seconds is None else seconds
            elif line.began is None:
                line.began, line.seconds = time.monotonic(), None
            self._changed(name, line, new_state=changed)

    @abstractmethod
    def note(self, text: str) -> None:
        """Print a line of its own, above the rows on a terminal."""

    @abstractmethod
    def _changed(self, name: str, line: Line, *, new_state: bool) -> None:
        """A row changed; the lock is held."""

    def __enter__(self) -> Self:
        """Begin to display."""
        return self

    def __exit__(  # noqa: B027  boards that only write lines have nothing to end
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the screen."""


class PlainBoard(Board):
    """A line per change of state.

    Args:
        title: printed first.
        names: rows that exist from the start; not printed until they change.
        stream: where to.
    """

    def __init__(self, title: str, names: Iterable[str] = (), *, stream: TextIO) -> None:
        super().__init__(title, names)
        self.stream = stream

    def __enter__(self) -> Self:
        """Print the title."""
        self.note(self.title)
        return self

    def note(self, text: str) -> None:
        """Print a line."""
        print(text, file=self.stream, flush=True)

    def _changed(self, name: str, line: Line, *, new_state: bool) -> None:
        if new_state and line.state != "waiting":
            seconds = f" {line.seconds:.1f} s" if line.seconds is not None else ""
            message = f"  {line.message}" if line.message else ""
            self.note(f"  {name}: {line.state}{seconds}{message}")


class LiveBoard(Board):
    """A table that is redrawn four times a second.

    Args:
        title: heads the table.
        names: rows that exist from the start.
        console: of the terminal.
    """

    def __init__(self, title: str, names: Iterable[str] = (), *, console: Console) -> None:
        super().__init__(title, names)
        self.console = console
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Start to redraw."""
        from rich.live import Live

        self._live = Live(get_renderable=self._table, console=self.console, refresh_per_second=4)
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Draw once more, and stop."""
        if self._live is not None:
            self._live.__exit__(kind, error, trace)
            self._live = None

    def note(self, text: str) -> None:
        """Print a line above the table."""
        self.console.print(text, markup=False, highlight=False)

    def _changed(self, name: str, line: Line, *, new_state: bool) -> None:
        """Nothing to do: the next redraw shows it."""

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(title=self.title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for column, options in (("", {"no_wrap": True}), ("state", {"no_wrap": True}), ("s", {"justify": "right"})):
            table.add_column(column, header_style="dim", **options)
        table.add_column("", overflow="fold")
        with self.lock:
            for name, line in self.lines.items():
                table.add_row(
                    name,
                    Text(line.state, style=STYLES.get(line.state, RUNNING_STYLE)),
                    _seconds(line),
                    Text(line.message, style="dim"),
                )
        return table


def _seconds(line: Line) -> str:
    if line.seconds is not None:
        return f"{line.seconds:.1f}"
    return f"{time.monotonic() - line.began:.0f}" if line.began is not None else ""


def open_board(title: str, names: Iterable[str] = (), *, stream: TextIO) -> Board:
    """A live table when ``stream`` is a terminal that can move its cursor, plain lines otherwise."""
    if not stream.isatty():
        return PlainBoard(title, names, stream=stream)
    from rich.console import Console

    console = Console(file=stream)
    if console.is_dumb_terminal:
        return PlainBoard(title, names, stream=stream)
    return LiveBoard(title, names, console=console)
