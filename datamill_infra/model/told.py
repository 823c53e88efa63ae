"""What a materialisation or a run came to, in words that every display knows: the command line, the demo, the UI."""

from __future__ import annotations

SUMMARY = "datamill/summary"
CHANGED = "changed"
BLOCKED_TAG = "datamill/blocked-by"
"""Of a run: the components that it could not do without, separated by commas."""


def told(summary: str, *, changed: bool) -> dict[str, str | bool]:
    """Metadata of a materialisation.

    Args:
        summary: what is there now, a few words, e.g. ``"version 3, champion"``.
        changed: whether this run made it so; ``False`` when all of it was right before.
    """
    return {CHANGED: changed, SUMMARY: summary if changed else f"unchanged; {summary}"}
