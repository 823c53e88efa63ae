"""Writers that commit as fast as they can, for children of the bench."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from faults.landing import Overwriting, Place, open_place

from datamill_pipelines.datasets.store import DatasetStore

REPO = "raw/flights"


def commit_many(place: Place, name: int, commits: int, told: str, overwrite: bool) -> None:
    """Child: commit files of its own, one by one."""
    objects = Overwriting(Path(place["root"])) if overwrite else open_place(place)
    store = DatasetStore(objects)
    attempts = []
    for number in range(commits):
        with store.repo(REPO).commit() as transaction:
            transaction.put(f"{name}/{number}.csv", b"%d %d" % (name, number))
            transaction.advance(f"k/{name}", number, number + 1)
            move, moved = transaction._move_base, [0]

            def counted(move: Any = move, moved: list[int] = moved) -> None:
                moved[0] += 1
                move()

            transaction._move_base = counted  # type: ignore[method-assign]
        attempts.append(moved[0] + 1)
    Path(told).write_text(json.dumps(attempts), encoding="utf-8")
