"""What a materialisation came to, in the words that every display shows: the command line, the demo, the UI."""

from __future__ import annotations

SUMMARY = "datamill/summary"
CHANGED = "changed"


def told(summary: str, *, changed: bool) -> dict[str, str | bool]:
    """Metadata of a materialisation.

    Args:
        summary: what is there now, a few words, e.g. ``"version 3, champion"``.
        changed: whether this run made it so; ``False`` when all of it was right before.
    """
    return {CHANGED: changed, SUMMARY: summary if changed else f"unchanged; {summary}"}
