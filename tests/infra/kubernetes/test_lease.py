from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from datamill_infra.kubernetes.lease import DURATION_SECONDS, WriterLease
from datamill_infra.kubernetes.memory import MemoryCluster
from datamill_infra.kubernetes.processes import is_gone, this_process
from datamill_infra.model.errors import LockedError

TELL = "from datamill_infra.kubernetes.processes import this_process as t; print(t(), flush=True); input()"


class Time:
    """A clock that only sleeping moves."""

    def __init__(self, on_sleep: Callable[[], None] = lambda: None) -> None:
        self.now = 0.0
        self.on_sleep = on_sleep

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()

    def clock(self) -> float:
        return self.now


def lease(cluster: MemoryCluster, holder: str, time: Time | None = None, *, process: str | None = None) -> WriterLease:
    time = time or Time()
    return WriterLease(cluster, "datamill", holder, process=process, sleep=time.sleep, clock=time.clock)


def test_the_first_writer_gets_it_and_others_see_who_holds_it() -> None:
    cluster = MemoryCluster()
    mine = lease(cluster, "me")
    mine.acquire()
    assert mine.held
    assert "me" == lease(cluster, "you").other_holder()
    assert mine.other_holder() is None
    mine.release()


def test_it_is_free_again_once_it_was_released() -> None:
    cluster, time = MemoryCluster(), Time()
    first, second = lease(cluster, "me"), lease(cluster, "you", time)
    first.acquire()
    first.release()
    second.acquire()
    assert (0.0, True) == (time.now, second.held)
    second.release()


def test_a_holder_that_renews_is_never_robbed() -> None:
    cluster = MemoryCluster()
    mine = lease(cluster, "me")
    mine.acquire()
    time = Time(lambda: cluster.replace(mine._written(cluster.get(mine.ref))) and None)
    with pytest.raises(LockedError, match="is being changed by me"):
        lease(cluster, "you", time).acquire()
    mine.release()


def test_a_killed_holder_is_outlived_by_the_clock_of_who_watches() -> None:
    cluster, time = MemoryCluster(), Time()
    dead = lease(cluster, "dead", process="on another machine")
    cluster.create(dead._written(None))
    heir = lease(cluster, "heir", time)
    heir.acquire()
    assert DURATION_SECONDS == time.now
    assert 2 == cluster.objects[heir.ref]["spec"]["leaseTransitions"]
    heir.release()


def kill(pid: int) -> None:
    """It has ended, and nobody has asked for its end yet."""
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@pytest.mark.parametrize("at", [0, 3])
def test_a_holder_that_was_killed_on_this_machine_is_not_waited_for(at: int) -> None:
    cluster = MemoryCluster()
    with subprocess.Popen([sys.executable, "-c", TELL], stdout=subprocess.PIPE, stdin=subprocess.PIPE) as child:
        assert child.stdout is not None
        process = child.stdout.readline().decode().strip()
        dead = lease(cluster, "dead", process=process)
        cluster.create(dead._written(None))
        assert not is_gone(process)
        if at == 0:
            kill(child.pid)
        time = Time(lambda: kill(child.pid) if time.now == at else None)
        heir = lease(cluster, "heir", time)
        heir.acquire()
    assert at <= time.now < DURATION_SECONDS
    assert is_gone(process)
    heir.release()


def test_whether_a_process_of_another_machine_or_another_start_runs_is_not_guessed_from_its_number() -> None:
    mine = this_process()
    place, pid, started = mine.rsplit("/", 2)
    assert not is_gone(mine)
    assert is_gone(f"{place}/{pid}/{int(started) - 1}")
    assert [False] * 4 == [is_gone(other) for other in ("", "elsewhere/1/1", f"elsewhere/{pid}/{started}", "x")]


def test_of_two_heirs_one_wins() -> None:
    cluster = MemoryCluster()
    cluster.create(lease(cluster, "dead", process="on another machine")._written(None))
    time = Time()
    other = lease(cluster, "other", time)
    mine_time = Time()

    def overtake() -> None:
        if mine_time.now == DURATION_SECONDS - 1:
            other._take()

    mine_time.on_sleep = overtake
    with pytest.raises(LockedError, match="is being changed by other"):
        lease(cluster, "me", mine_time).acquire()


def test_a_holder_whose_lease_was_taken_writes_no_more() -> None:
    cluster = MemoryCluster()
    mine = lease(cluster, "me")
    mine.acquire()
    cluster.edit(mine.ref, lambda item: item["spec"].update(holderIdentity="thief"))
    mine._ended.wait = lambda _=None: False  # type: ignore[method-assign]  # renew at once
    mine._renew()
    with pytest.raises(LockedError, match="lost"):
        mine.check()
    del mine._ended.wait
    mine.release()
    assert "thief" == cluster.objects[mine.ref]["spec"]["holderIdentity"]
