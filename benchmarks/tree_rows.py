"""One changed file in a large tree, and a directory that is snapshotted again."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

from benchmarks.bench import Row
from benchmarks.measure import ratio

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.bench import Bench

OURS, DVC = "Data Mill", "DVC"
ENTRIES, CHANGES = 1_000_000, 11
MILLISECONDS_GOAL, BYTES_GOAL = 50, 1_000_000
FILES, FILE_SIZE = 2_000, 20_000
FIRST_GOAL, AGAIN_GOAL = 4.0, 5.0
SEED = 20


def tree(bench: Bench) -> list[Row]:
    """One changed file among a million."""
    entries = bench.count(ENTRIES, least=200)
    figures = bench.run([bench.ours(OURS, "ours_tree.py", bench.fresh(), entries, CHANGES)], once=True)[OURS]
    milliseconds, written = figures.work * 1e3, figures.median("bytes")
    what = f"one changed file in a tree of {entries:,} entries"
    note = "One run: the median of eleven changes, each on a store opened anew. The slowest took {:.0f} ms."
    return [
        Row(
            f"{what}, time",
            f"{milliseconds:.1f} ms",
            f"under {MILLISECONDS_GOAL} ms",
            milliseconds < MILLISECONDS_GOAL,
            (figures,),
            note.format(max(sample.told["slowest"] for sample in figures.samples) * 1e3),
        ),
        Row(f"{what}, bytes written", f"{written / 1e3:.1f} kB", "under 1 MB", written < BYTES_GOAL),
    ]


def snapshot(bench: Bench) -> list[Row]:
    """A directory of small files: the first time, and when one file has changed."""
    count = bench.count(FILES, least=10)
    master = bench.fresh()
    _make_files(master / "data", count)
    sides = [_on_a_copy(bench, master, OURS)]
    if bench.has("dvc"):
        sides.append(_on_a_copy(bench, master, DVC))
    figures = bench.run(sides)
    rows = []
    for what, figure, goal in (("first", "first", FIRST_GOAL), ("after one change", "again", AGAIN_GOAL)):
        faster = ratio(figures[OURS], figures[DVC], figure) if DVC in figures else None
        own = figures[OURS].median(figure)
        rows.append(
            Row(
                f"snapshot of {count:,} files of 20 kB, {what}, against DVC",
                f"not installed ({own:.2f} s)" if faster is None else f"{faster:.1f} times as fast ({own:.2f} s)",
                f"at least {goal:g} times",
                None if faster is None else faster >= goal,
                tuple(figures.values()) if figure == "first" else (),
                "Seconds of the snapshots, after the imports. Both keep size and times of each file. Ours are synced.",
            )
        )
    return rows


def _on_a_copy(bench: Bench, master: Path, name: str) -> object:
    script = {OURS: "ours_snapshot.py", DVC: "snapshot_dvc.py"}[name]
    side = (bench.ours if name == OURS else bench.peer)(name, script, "directory")
    argv = list(side.argv)

    def before() -> Mapping[str, str]:
        argv[2] = str(bench.fresh())
        shutil.copytree(master, argv[2])
        return {}

    return type(side)(name, argv, side.environment, before)


def _make_files(folder: Path, count: int) -> None:
    source = random.Random(SEED)
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:06d}").write_bytes(source.randbytes(FILE_SIZE))
