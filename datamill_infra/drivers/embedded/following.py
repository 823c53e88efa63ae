"""What is appended to files, line by line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

LOOK_SECONDS = 0.25


def follow(files: Sequence[Path], sleep: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """Yield what is written from now on, without end; a file may come later, and may be begun anew.

    Args:
        files: which.
        sleep: between two looks.
    """
    positions = {file: file.stat().st_size if file.exists() else 0 for file in files}
    begun = dict.fromkeys(files, b"")
    while True:
        for file in files:
            if not file.exists():
                continue
            if file.stat().st_size < positions[file]:  # rotated
                positions[file] = 0
            with file.open("rb") as stream:
                stream.seek(positions[file])
                *lines, begun[file] = (begun[file] + stream.read()).split(b"\n")
                positions[file] = stream.tell()
            yield from (line.decode("utf-8", errors="replace") for line in lines)
        sleep(LOOK_SECONDS)
