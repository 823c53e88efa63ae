from __future__ import annotations

from collections.abc import Callable

import pytest

from datamill_infra.kubernetes.lease import DURATION_SECONDS, WriterLease
from datamill_infra.kubernetes.memory import MemoryCluster
from datamill_infra.model.errors import LockedError


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


def lease(cluster: MemoryCluster, holder: str, time: Time | None = None) -> WriterLease:
    time = time or Time()
    return WriterLease(cluster, "datamill", holder, sleep=time.sleep, clock=time.clock)


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
    dead = lease(cluster, "dead")
    cluster.create({**dead._written(None)})
    heir = lease(cluster, "heir", time)
    heir.acquire()
    assert DURATION_SECONDS == time.now
    assert 2 == cluster.objects[heir.ref]["spec"]["leaseTransitions"]
    heir.release()


def test_of_two_heirs_one_wins() -> None:
    cluster = MemoryCluster()
    cluster.create(lease(cluster, "dead")._written(None))
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
