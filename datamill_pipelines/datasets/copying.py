"""A whole store, object by object: what a backup is, and how one is put back.

An entry of a log is written after everything that it refers to, and never changes. So logs are read first and what they
refer to afterwards: a copy that is made beside writers is the store as it was at some moment, and more. It is written
the other way round, so that a copy that was broken off has no entry without its content.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_pipelines.datasets.errors import ExistsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from datamill_pipelines.datasets.objects import Body, ObjectStore

PASSING = ("sessions/", "tmp/")
"""Writers at work, and what they have not finished."""

FORMAT = "format"
"""What a store has as soon as it is opened for the first time."""

HINT = "/hint"
"""Where a log ended once: replaced in place, allowed to be wrong, and made anew by whoever reads the log."""

TOGETHER = 64
"""Objects that are made durable at once."""


@dataclass(frozen=True)
class Copied:
    """What was copied.

    Attributes:
        objects: how many.
        size: bytes.
    """

    objects: int
    size: int


def copy_store(source: ObjectStore, target: ObjectStore, *, replace: bool = False) -> Copied:
    """Copy every object of a store.

    Args:
        source: is only read; writers may be at work in it.
        target: nobody may be at work in it.
        replace: delete what is there first.

    Raises:
        ExistsError: the target is not empty, and ``replace`` was not said.
        StoreError: an object cannot be read or written.
    """
    there = [info.key for info in target.scan("")]
    held = [key for key in there if not key.startswith((FORMAT, *PASSING))]
    if held and not replace:
        raise ExistsError(
            f"{target.url} is not empty: it has {len(held)} objects.",
            instruction="Choose an empty target, or say --replace, which deletes what is there.",
        )
    logs = [info for info in source.scan("repos") if not info.key.endswith(HINT)]
    # Listed after the logs: whatever these refer to is there by now.
    others = [info for info in source.scan("") if not info.key.startswith(("repos/", *PASSING))]
    target.delete(there)
    for batch in (others, logs):
        _copy(source, target, [info.key for info in batch])
    everything = [*others, *logs]
    return Copied(len(everything), sum(info.size for info in everything))


def _copy(source: ObjectStore, target: ObjectStore, keys: Sequence[str]) -> None:
    for group in _groups(keys):
        with tempfile.TemporaryDirectory(prefix="datamill-copy-") as scratch:
            bodies: list[tuple[str, Body]] = []
            for index, key in enumerate(group):
                file = source.local_path(key) or Path(scratch) / str(index)
                if not file.exists():
                    source.download(key, file)
                bodies.append((key, file))
            target.put_many(bodies)


def _groups(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), TOGETHER):
        yield keys[start : start + TOGETHER]
