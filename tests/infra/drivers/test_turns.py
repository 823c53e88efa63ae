"""The order in which components start when not all can at once."""

import threading
import time

from datamill_infra.drivers.turns import PATIENCE_SECONDS, Turns

DEMO = {
    "artemis": set(),
    "dask": set(),
    "s3proxy": set(),
    "datasets": {"s3proxy"},
    "mlflow": {"s3proxy"},
}


def start_order(needs: dict[str, set[str]], failing: frozenset[str] = frozenset(), **lengths: float) -> list[str]:
    """The order of the starts, one at a time, each component in a thread of its own, as in a pass."""
    turns = Turns(needs, dict.fromkeys(needs, 60.0) | lengths, limit=1)
    started, done = [], {name: threading.Event() for name in needs}

    def one(name: str) -> None:
        for needed in needs[name]:
            done[needed].wait()
        if needs[name] & failing:
            turns.forgo(name)
        else:
            with turns.take(name):
                started.append(name)
                time.sleep(0.02)
        done[name].set()

    threads = [threading.Thread(target=one, args=(name,), daemon=True) for name in needs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive(), "a component never got its turn"
    return started


def test_what_others_wait_for_starts_first_and_they_follow_at_once() -> None:
    assert start_order(DEMO) == ["s3proxy", "datasets", "mlflow", "artemis", "dask"]


def test_the_head_of_what_takes_longest_starts_first() -> None:
    assert start_order(DEMO, dask=100.0, mlflow=61.0) == ["s3proxy", "dask", "mlflow", "datasets", "artemis"]


def test_what_starts_nothing_waits_for_no_turn_and_takes_none() -> None:
    turns = Turns({"slow": set(), "store": set(), "quick": set()}, {"slow": 60.0, "quick": 60.0}, limit=1, clock=float)
    with turns.take("store"), turns.take("slow"), turns.take("store"):
        pass


def test_nobody_waits_when_nothing_is_to_be_started() -> None:
    turns = Turns(DEMO, clock=float)
    with turns.take("artemis"), turns.take("dask"), turns.take("s3proxy"), turns.take("mlflow"):
        pass


def test_every_component_gets_its_turn_when_one_failed() -> None:
    assert start_order(DEMO, failing=frozenset({"s3proxy"})) == ["s3proxy", "artemis", "dask"]


def test_no_more_than_the_limit_start_at_a_time() -> None:
    needs: dict[str, set[str]] = {f"c{number}": set() for number in range(8)}
    turns, inside, most = Turns(needs, dict.fromkeys(needs, 1.0), limit=3), set(), []
    lock = threading.Lock()

    def one(name: str) -> None:
        with turns.take(name):
            with lock:
                inside.add(name)
                most.append(len(inside))
            time.sleep(0.02)
            with lock:
                inside.discard(name)

    threads = [threading.Thread(target=one, args=(name,)) for name in needs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert max(most) == 3


def test_a_component_that_takes_long_does_not_keep_others_from_starting() -> None:
    now = [0.0]
    turns = Turns({"slow": set(), "quick": set()}, {"slow": 60.0, "quick": 60.0}, limit=1, clock=lambda: now[0])
    with turns.take("slow"):
        now[0] += PATIENCE_SECONDS
        with turns.take("quick"):
            pass
