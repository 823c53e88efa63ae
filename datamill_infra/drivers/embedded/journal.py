"""What supervisord's journal says about the past of each program.

The journal (``log/supervisord.log``) is the only place where the reason of an exit is kept: supervisord's answers and
events carry a status, and ``-1`` for every signal. It survives supervisord itself, and says so when that was killed.
Times are UTC: :class:`.supervisor.Supervisor` starts supervisord so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ [A-Z]+ "
    r"((?P<birth>supervisord started with pid)|spawned: '(?P<spawned>[^']+)'"
    r"|(?P<ending>exited|stopped): (?P<ended>\S+) \((?P<reason>[^;)]+))"
)
SUPERVISOR_GONE = "its supervisor ended without stopping it"


@dataclass(frozen=True)
class Incident:
    """An end that nobody asked for.

    Attributes:
        at: when it was noticed.
        reason: ``"terminated by SIGKILL"``, ``"exit status 1"``, or that the supervisor was killed.
    """

    at: datetime
    reason: str


@dataclass
class Story:
    """One program since it was last started on purpose.

    Attributes:
        since: when it was last started, by whomever; ``None`` if never.
        incidents: its unwanted ends, oldest first. Each was followed by a restart, or by an attempt.
        running: whether it was running when the journal was last written.
    """

    since: datetime | None = None
    incidents: list[Incident] = field(default_factory=list)
    running: bool = False

    def sentence(self) -> str:
        """For a person; empty when nothing happened."""
        if not self.incidents:
            return ""
        last, count = self.incidents[-1], len(self.incidents)
        times = "once" if count == 1 else f"{count} times"
        return f"Restarted {times}, last at {last.at:%Y-%m-%d %H:%M:%S} UTC: {last.reason}."


def read(journal: Path) -> dict[str, Story]:
    """The story of every program in a journal and its rotated predecessors; empty if there is none.

    Args:
        journal: the newest file; ``journal.1`` is older, and so on.
    """
    rotated = sorted(
        (path for path in journal.parent.glob(f"{journal.name}.*") if path.suffix[1:].isdigit()),
        key=lambda path: -int(path.suffix[1:]),
    )
    lines: list[str] = []
    for file in (*rotated, journal):
        try:
            lines += file.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:  # none yet, or rotated away this moment
            continue
    return tell(lines)


def tell(lines: Iterable[str]) -> dict[str, Story]:
    """The story of every program in the lines of a journal."""
    stories: dict[str, Story] = {}
    for line in lines:
        match = LINE.match(line)
        if match is None:
            continue
        at = datetime.strptime(match["at"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        if match["birth"]:
            for story in stories.values():
                if story.running:
                    story.incidents.append(Incident(at, SUPERVISOR_GONE))
                    story.running = False
        elif match["spawned"]:
            story = stories.setdefault(match["spawned"], Story())
            story.since, story.running = at, True
        elif match["ending"] == "stopped":
            stories[match["ended"]] = Story()
        else:
            story = stories.setdefault(match["ended"], Story())
            story.incidents.append(Incident(at, match["reason"]))
            story.running = False
    return stories
