from __future__ import annotations

import itertools
from pathlib import Path

from datamill_infra.drivers.embedded.following import follow


def append(file: Path, text: str) -> None:
    with file.open("a") as stream:
        stream.write(text)


def test_lines_come_as_they_are_written_also_after_a_rotation(tmp_path: Path) -> None:
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    one.write_text("before\n")
    writes = iter(
        [
            lambda: append(one, "fir"),
            lambda: append(one, "st\nsecond\n"),
            lambda: append(two, "from another\n"),
            lambda: one.write_text("anew\n"),
        ]
    )
    found = follow([one, two], sleep=lambda _: next(writes)() and None)
    assert ["first", "second", "from another", "anew"] == list(itertools.islice(found, 4))
