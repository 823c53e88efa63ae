"""Since when a component has not been healthy, where the component itself leaves no trace of it.

A process that ends is in the supervisor's journal. One that hangs, or that somebody else runs, is not: all that can be
known is when it was last seen healthy and when it was first seen not to be. Whoever looks (``datamill status``, a run
that is blocked, the health sensor) notes it in ``state/sightings.json``.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from datamill_infra.drivers.files import StateError, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from datamill_infra.model.home import Home

# It is held for milliseconds.
LOCK_SECONDS = 5.0


@dataclass(frozen=True)
class Sighting:
    """What has been seen of one component.

    Attributes:
        healthy_at: when it was last seen healthy, ISO 8601, UTC; ``None`` if it never was.
        failing_since: when it was first seen not to be, after that; ``None`` while it is healthy.
    """

    healthy_at: str | None = None
    failing_since: str | None = None

    def then(self, *, healthy: bool, now: str) -> Sighting:
        """This, after another look."""
        return Sighting(now) if healthy else Sighting(self.healthy_at, self.failing_since or now)

    def trouble_since(self, recorded: datetime | None) -> datetime | None:
        """When the present trouble began.

        Args:
            recorded: what the component's own past says; older than the last healthy moment, it was another trouble.
        """
        if recorded and not (self.healthy_at and recorded < datetime.fromisoformat(self.healthy_at)):
            return recorded
        return datetime.fromisoformat(self.failing_since) if self.failing_since else recorded


def note(
    home: Home, seen: Mapping[str, bool], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> dict[str, Sighting]:
    """Write down a look at some components.

    Args:
        home: of the deployment; something has been deployed in it.
        seen: component to whether it was healthy.
        clock: gives the time.

    Returns:
        What is known of each now.
    """
    file = home.state_file("sightings")
    now = clock().isoformat(timespec="seconds")
    try:
        with FileLock(file.with_suffix(".lock"), timeout=LOCK_SECONDS):
            known = _read(file)
            for name, healthy in seen.items():
                known[name] = known.get(name, Sighting()).then(healthy=healthy, now=now)
            write_private(file, json.dumps({name: asdict(one) for name, one in known.items()}, indent=2))
    except (OSError, StateError, Timeout):
        # Looking must work on a full disk, too; then this look is simply not remembered.
        known = _read(file)
        return {name: known.get(name, Sighting()).then(healthy=healthy, now=now) for name, healthy in seen.items()}
    return {name: known[name] for name in seen}


def _read(file: Path) -> dict[str, Sighting]:
    with contextlib.suppress(FileNotFoundError, ValueError, TypeError):  # a lost memory, no lost data
        return {name: Sighting(**one) for name, one in json.loads(file.read_text(encoding="utf-8")).items()}
    return {}
