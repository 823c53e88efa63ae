"""Small commits to a local directory: one writer, many commits, many writers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.bench import HERE, Row
from benchmarks.measure import ratio

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.bench import Bench
    from benchmarks.measure import Contestant

OURS, DELTA, ICEBERG, LANCE = "Data Mill", "delta-rs", "pyiceberg", "lance"
COMMITS, MANY, WRITERS, EACH = 200, 10_000, 8, 50
GOALS = {DELTA: 4.0, ICEBERG: 12.0, LANCE: 0.5}
GROWTH_GOAL, CONTENDED_GOAL = 1.3, 3.0
DIRECTORY = "bench-directory"


def commits(bench: Bench) -> list[Row]:
    """200 commits of 1,000 rows, one after the other."""
    count = bench.count(COMMITS, least=3)
    sides = [bench.ours(OURS, "ours_commits.py", bench.fresh(), count)]
    needs = {DELTA: "deltalake", ICEBERG: "pyiceberg", LANCE: "pylance"}
    scripts = {DELTA: "commits_delta.py", ICEBERG: "commits_iceberg.py", LANCE: "commits_lance.py"}
    sides += [bench.peer(name, scripts[name], bench.fresh(), count) for name, need in needs.items() if bench.has(need)]
    figures = bench.run([_fresh_each_time(bench, side, 2) for side in sides])
    rows = []
    for name, goal in GOALS.items():
        theirs = figures.get(name)
        faster = None if theirs is None else ratio(figures[OURS], theirs, "work")
        rows.append(
            Row(
                f"{count} commits of 1,000 rows, local, against {name}",
                "not installed" if faster is None else f"{faster:.1f} times as fast",
                f"at least {goal:g} times" if goal >= 1 else f"at least {goal:g} times (no slower than 2x {name})",
                None if faster is None else faster >= goal,
            )
        )
    note = "Seconds of the commits themselves, after the imports. Each commit of ours is synced to the disk."
    rows[0] = Row(rows[0].what, rows[0].figure, rows[0].goal, rows[0].met, tuple(figures.values()), note)
    return rows


def growth(bench: Bench) -> list[Row]:
    """Whether the ten-thousandth commit costs more than the tenth."""
    count = bench.count(MANY, least=120)
    side = _fresh_each_time(bench, bench.ours(OURS, "ours_commits.py", bench.fresh(), count), 2)
    figures = bench.run([side], once=True)[OURS]
    early, late = figures.median("early"), figures.median("late")
    return [
        Row(
            f"commit {count:,} against commit 10",
            f"{late / early:.2f} times the time ({late * 1e3:.2f} ms, {early * 1e3:.2f} ms)",
            f"at most {GROWTH_GOAL}",
            late / early <= GROWTH_GOAL,
            (figures,),
            "One run: medians of its last hundred commits, and of the hundred from the tenth.",
        )
    ]


def contended(bench: Bench) -> list[Row]:
    """Eight processes that commit to one branch, or append to one table."""
    writers, each = bench.count(WRITERS, least=2), bench.count(EACH, least=3)
    script = HERE / "ours_commits.py"
    sides = [bench.ours(OURS, "peers/together.py", writers, script, bench.fresh(), each, "writer-{n}")]
    if bench.has("deltalake"):
        script = HERE / "peers" / "commits_delta.py"
        sides.append(bench.peer(DELTA, "together.py", writers, script, bench.fresh(), each))
    figures = bench.run([_fresh_each_time(bench, side, 4) for side in sides])
    theirs = figures.get(DELTA)
    faster = None if theirs is None else ratio(figures[OURS], theirs, "work")
    return [
        Row(
            f"{writers} processes, {each} commits of 1,000 rows each, one branch, against delta-rs",
            "not installed" if faster is None else f"{faster:.1f} times as fast",
            f"at least {CONTENDED_GOAL:g} times",
            None if faster is None else faster >= CONTENDED_GOAL,
            tuple(figures.values()),
            "From a common start after the imports to the last commit. delta-rs may try an append again 1,000 times.",
        )
    ]


def _fresh_each_time(bench: Bench, side: Contestant, place: int) -> Contestant:
    """The same contestant, with a new directory as the argument at ``place`` before each run."""
    argv = list(side.argv)

    def before() -> Mapping[str, str]:
        argv[place] = str(bench.fresh())
        return {}

    return type(side)(side.name, argv, side.environment, before)
