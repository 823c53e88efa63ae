"""The bench itself: what a failure leaves behind, and what happens when a control is not caught."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.bench import Bench, Case, History, Log, Violation, expect
from faults.report import table, uncontrolled
from faults.rows import Row

Failed = pytest.fail.Exception


def breaks_at_three(case: Case, log: Log) -> None:
    log("looked", number=case["number"])
    expect(case["number"] != 3, "three is broken")


def numbers(count: int) -> list[Case]:
    return [{"number": number} for number in range(count)]


def test_a_failed_trial_leaves_a_history_that_fails_again(tmp_path: Path) -> None:
    bench = Bench("tests/faults/test_x.py::test_x[full]", tmp_path, 1)
    with pytest.raises(Failed, match=r"three is broken(.|\n)*pytest tests/faults/test_x.py --history") as caught:
        bench.run(Row.POWER, numbers(10), breaks_at_three)
    (path,) = tmp_path.iterdir()
    history = History.load(path)

    assert str(path) in str(caught.value)
    assert ({"number": 3}, "tests/faults/test_x.py::test_x[full]") == (history.case, history.node)
    assert ["looked"] == [entry["what"] for entry in history.log]
    assert (10, 1) == (bench.results[Row.POWER].tried, bench.results[Row.POWER].found)
    again = Bench("tests/faults/test_x.py::test_x[full]", tmp_path / "again", 1, history)
    with pytest.raises(Failed, match="three is broken"):
        again.run(Row.POWER, numbers(10), breaks_at_three)
    assert 1 == again.results[Row.POWER].tried


def test_a_control_that_is_not_caught_fails(tmp_path: Path) -> None:
    bench = Bench("x", tmp_path, 1)
    bench.control(Row.GC, "a broken variant", numbers(10), breaks_at_three)
    with pytest.raises(Failed, match="has not caught a broken variant in 3 trials"):
        bench.control(Row.GC, "a broken variant", numbers(3), breaks_at_three)
    assert (2, 1) == (bench.results[Row.GC].controls, bench.results[Row.GC].caught)


def test_a_control_that_fails_by_accident_is_not_caught(tmp_path: Path) -> None:
    def by_accident(case: Case, log: Log) -> None:
        del case, log
        raise KeyError("not what the checker says")

    with pytest.raises(KeyError):
        Bench("x", tmp_path, 1).control(Row.GC, "a broken variant", numbers(1), by_accident)


def test_a_bench_that_tries_nothing_fails(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="no case was tried"):
        Bench("x", tmp_path, 1).run(Row.GC, [], breaks_at_three)


def test_the_table_adds_up_what_several_tests_tried_and_names_rows_without_a_control(tmp_path: Path) -> None:
    one, other = Bench("x", tmp_path, 1), Bench("y", tmp_path, 1)
    one.run(Row.GC, numbers(2), breaks_at_three)
    other.run(Row.GC, numbers(3), breaks_at_three)
    other.run(Row.POWER, numbers(1), breaks_at_three)
    other.control(Row.GC, "a broken variant", numbers(4), breaks_at_three)
    results = [*one.results.values(), *other.results.values()]

    power, gc = (line.split("|") for line in table(results)[2:])
    assert [Row.POWER.value, "1", "0", "none tried"] == [cell.strip() for cell in power[1:5]]
    assert [Row.GC.value, "5", "0", "1 of 1"] == [cell.strip() for cell in gc[1:5]]
    assert [Row.POWER.value] == uncontrolled(results)


def test_checkers_say_violation_and_nothing_else() -> None:
    with pytest.raises(Violation, match="broken"):
        expect(False, "broken")
