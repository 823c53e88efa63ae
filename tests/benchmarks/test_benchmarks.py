"""The benchmarks run, at a small size, and say what they measured. What they measure is not tested here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.bench import Bench, Row
from benchmarks.measure import Contestant, ContestantFailedError, Figures, Sample, interleaved, ratio, run_once
from benchmarks.report import page, save

LOCAL = ("commits", "growth", "tree", "contended", "snapshot")


def no_servers() -> None:
    raise AssertionError("a local benchmark needs no servers")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, no_servers, rounds=1, scale=0.0001, say=lambda _: None)


def figures(*walls: float) -> Figures:
    return Figures("x", tuple(Sample(wall, 2 * wall, 10.0, {}) for wall in walls))


@pytest.mark.long
@pytest.mark.parametrize("name", LOCAL)
def test_a_local_benchmark_runs_our_side_and_says_which_peers_are_missing(bench: Bench, name: str) -> None:
    rows = BENCHMARKS[name](bench)

    ours = rows[0].sides[0]
    assert "Data Mill" == ours.name
    assert 1 == len(ours.samples)
    assert 0 < ours.work <= ours.wall
    assert {row.met is None for row in rows} == {any("not installed" in row.figure for row in rows)}


def test_a_tree_counts_what_a_change_writes(bench: Bench) -> None:
    _, written = BENCHMARKS["tree"](bench)

    # More than the few bytes of the file itself: the nodes on its path, and the commit.
    assert 500 < float(written.figure.removesuffix(" kB")) * 1e3 < 100_000
    assert written.met


def test_a_ratio_is_the_median_of_the_pairs_of_a_round() -> None:
    # The second round met a slow machine: the ratio of its pair does not show it.
    assert 2.0 == ratio(figures(1.0, 5.0, 1.0), figures(2.0, 10.0, 3.0))
    assert 3.0 == ratio(figures(1.0), figures(3.0), "cpu")


def test_what_a_script_says_of_its_work_is_what_counts() -> None:
    script = "import time; time.sleep(0.05); print('x'); print('{\"seconds\": 0.01, \"bytes\": 7}')"
    sample = run_once(Contestant("side", [sys.executable, "-c", script], {}))

    assert 0.01 == sample.work
    assert sample.wall > 0.05
    assert 7 == Figures("side", (sample,)).median("bytes")


def test_sides_take_turns_and_the_first_round_does_not_count(tmp_path: Path) -> None:
    log = tmp_path / "log"
    sides = [
        Contestant(name, [sys.executable, "-c", f"open({str(log)!r}, 'a').write({name!r})"], {}) for name in ("a", "b")
    ]

    found = interleaved(sides, 2)

    assert "ababab" == log.read_text(encoding="utf-8")
    assert [2, 2] == [len(each.samples) for each in found]


def test_a_side_that_fails_is_an_error_with_what_it_printed() -> None:
    with pytest.raises(ContestantFailedError, match=r"side exited with 3:\nno good"):
        run_once(Contestant("side", [sys.executable, "-c", "print('no good'); raise SystemExit(3)"], {}))


def test_the_page_shows_every_goal_with_its_figure_and_whether_it_was_met(bench: Bench, tmp_path: Path) -> None:
    save(tmp_path / "kept", "first", [Row("speed", "2 times", "3 times", met=False, sides=(figures(1.5),))], bench)
    save(tmp_path / "kept", "second", [Row("size", "1 kB", "2 kB", met=True), Row("x", "-", "y", met=None)], bench)

    text = page(tmp_path / "kept", ["second", "third", "first"])

    goals = ["| size | 1 kB | 2 kB | yes |", "| x | - | y | not compared |", "| speed | 2 times | 3 times | **no** |"]
    goals.append("| third | not run | | |")
    assert goals == [line for line in text.splitlines() if line.startswith("|") and line.count("|") == 5][2:]
    assert "| x | 1.500 | 1.50 | 3.00 | 10 |" in text
    assert "not to be quoted" in text
