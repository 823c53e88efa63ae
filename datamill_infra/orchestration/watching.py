"""Who watches a rollout in this process: the command line, when it runs a deploy job itself.

In a run that the user interface launched nobody watches, and the run's own log tells the story.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from datamill_infra.drivers.passes import Event

_watchers: list[Callable[[Event], None]] = []


@contextlib.contextmanager
def watched_by(watcher: Callable[[Event], None]) -> Iterator[None]:
    """Have ``watcher`` called with every event of rollouts that run in this process meanwhile."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def tell(event: Event) -> None:
    """Pass an event on to whoever watches."""
    for watcher in _watchers:
        watcher(event)
