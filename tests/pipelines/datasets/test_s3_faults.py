"""What goes wrong between a client and S3 changes nothing but the number of requests, and that is bounded."""

from __future__ import annotations

import itertools
import random
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.datasets.errors import StoreUnreachableError
from datamill_pipelines.datasets.s3 import ATTEMPTS, S3Store
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.testing.proxy import FAULTS, FaultyProxy, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datamill_pipelines.datasets import CommitView

PART = 5 << 20
"""The smallest part that S3 allows."""

SMALL = ("create", "put", "head", "get", "list", "delete")
LARGE = ("begin", "part", "complete")
TIMES = (1, 2, 5)
QUICK = tuple(fault for fault in FAULTS if not fault.startswith("timeout"))


@pytest.fixture(scope="module")
def proxy(s3_connection: ResolvedConnection) -> Iterator[FaultyProxy]:
    port = int(s3_connection.text("endpoint").rpartition(":")[2])
    with FaultyProxy(port) as running:
        yield running


def through(proxy: FaultyProxy, connection: ResolvedConnection, prefix: str, timeout: float = 20) -> S3Store:
    """A client of the proxy that does not wait between attempts."""
    fields = {**connection.values, "endpoint": proxy.endpoint}
    resolved = ResolvedConnection("s3", "s3proxy", fields, connection.secret_fields)
    return S3Store("datasets", prefix, resolved, timeout=timeout, part_size=PART, sleep=lambda _: None)


def work(objects: S3Store) -> dict[str, bytes]:
    """Every kind of small request: a commit, a branch taken away, a collection, a reading."""
    store = DatasetStore(objects)
    repo = store.create_repo("raw/flights", exist_ok=True)
    with repo.commit() as transaction:
        transaction.put("a.csv", b"1")
        transaction.put("b.csv", b"2" * 5000)
        transaction.advance("k", 0, 10)
    with repo.commit("side") as transaction:
        transaction.put("garbage.csv", b"3")
    repo.delete_branch("side")
    store.close()
    store.gc(grace=timedelta(days=-1))
    return contents(DatasetStore(objects).commit_view("raw/flights"))


def contents(view: CommitView) -> dict[str, bytes]:
    return {file.path: view.read_bytes(file.path) for file in view.files()}


EXPECTED = {"a.csv": b"1", "b.csv": b"2" * 5000}


SMALL_CASES = list(itertools.product(SMALL, QUICK, TIMES))
LARGE_CASES = list(itertools.product(LARGE, QUICK, TIMES))
FEW = 14
"""Cases of each table in the quick run, chosen by a seed; the fault bench tries all."""


@pytest.fixture(scope="module")
def usual(proxy: FaultyProxy, s3_connection: ResolvedConnection) -> int:
    """Requests of the work when nothing goes wrong."""
    proxy.plan = None
    proxy.requests.clear()
    assert work(through(proxy, s3_connection, secrets.token_hex(6))) == EXPECTED
    return len(proxy.requests)


def small_case(proxy: FaultyProxy, connection: ResolvedConnection, usual: int, case: tuple[str, str, int]) -> None:
    kind, fault, times = case
    proxy.plan = plan = Plan(fault, lambda request: request.kind == kind, times)
    proxy.requests.clear()
    prefix = secrets.token_hex(6)
    assert work(through(proxy, connection, prefix)) == EXPECTED, case
    assert plan.done == times, case
    # A lost conditional write is read back once for each time it is told to exist already.
    assert len(proxy.requests) <= usual + 2 * times + 4, case
    proxy.plan = None
    store = DatasetStore(through(proxy, connection, prefix))
    found = store.fsck()
    assert (found.is_sound, found.unreachable) == (True, []), case
    assert len(list(store.repo("raw/flights").log())) == 1, case


def test_small_requests_survive_faults(proxy: FaultyProxy, s3_connection: ResolvedConnection, usual: int) -> None:
    for case in random.Random(7).sample(SMALL_CASES, FEW):
        small_case(proxy, s3_connection, usual, case)


@pytest.mark.faults
@pytest.mark.parametrize("kind", SMALL)
def test_small_requests_survive_every_fault(
    kind: str, proxy: FaultyProxy, s3_connection: ResolvedConnection, usual: int
) -> None:
    for case in SMALL_CASES:
        if case[0] == kind:
            small_case(proxy, s3_connection, usual, case)


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["timeout before", "timeout after"])
@pytest.mark.parametrize("kind", SMALL)
def test_small_requests_survive_silence(
    kind: str, fault: str, proxy: FaultyProxy, s3_connection: ResolvedConnection
) -> None:
    proxy.plan = plan = Plan(fault, lambda request: request.kind == kind, 1, silence=4)
    assert work(through(proxy, s3_connection, secrets.token_hex(6), timeout=3)) == EXPECTED
    assert plan.done == 1


def large_case(proxy: FaultyProxy, connection: ResolvedConnection, file: Path, case: tuple[str, str, int]) -> None:
    kind, fault, times = case
    objects = through(proxy, connection, secrets.token_hex(6))
    proxy.plan = plan = Plan(fault, lambda request: request.kind == kind, times)
    proxy.requests.clear()
    objects.put("blobs/a/large", file)
    assert plan.done >= 1, case
    assert len(proxy.requests) <= 9 + 2 * times, case
    proxy.plan = None
    assert objects.get("blobs/a/large") == file.read_bytes(), case
    list(objects.abandoned(objects.clock() + timedelta(days=1)))
    assert objects._parts._list(f"{objects.prefix}/") == [], case


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large"
    path.write_bytes(secrets.token_bytes(2 * PART + 1000))
    return path


def test_large_files_survive_faults(proxy: FaultyProxy, s3_connection: ResolvedConnection, large_file: Path) -> None:
    for case in random.Random(7).sample(LARGE_CASES, FEW // 2):
        large_case(proxy, s3_connection, large_file, case)


@pytest.mark.faults
def test_large_files_survive_every_fault(
    proxy: FaultyProxy, s3_connection: ResolvedConnection, large_file: Path
) -> None:
    for case in LARGE_CASES:
        large_case(proxy, s3_connection, large_file, case)


def test_an_upload_that_was_cut_off_is_continued(
    proxy: FaultyProxy, s3_connection: ResolvedConnection, tmp_path: Path
) -> None:
    data = secrets.token_bytes(5 * PART)
    (tmp_path / "large").write_bytes(data)
    objects = through(proxy, s3_connection, secrets.token_hex(6))
    proxy.plan = Plan("503", lambda request: "partNumber=5" in request.path, ATTEMPTS)
    with pytest.raises(StoreUnreachableError):
        objects.put("blobs/a/large", tmp_path / "large")
    assert objects.size("blobs/a/large") is None
    proxy.plan = None
    proxy.requests.clear()
    objects.put("blobs/a/large", tmp_path / "large")
    assert sum(request.kind == "part" for request in proxy.requests) == 1
    assert objects.get("blobs/a/large") == data


def test_an_upload_that_nobody_continues_is_aborted_by_a_collection(
    proxy: FaultyProxy, s3_connection: ResolvedConnection, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(secrets.token_bytes(2 * PART))
    objects = through(proxy, s3_connection, secrets.token_hex(6))
    proxy.plan = Plan("500", lambda request: request.kind == "complete", ATTEMPTS)
    with pytest.raises(StoreUnreachableError):
        objects.put("blobs/a/large", tmp_path / "large")
    proxy.plan = None
    swept = DatasetStore(objects).gc(grace=timedelta(days=-1))
    assert [left for left in swept.leftovers if left.startswith("unfinished upload")]
    assert objects._parts._list(f"{objects.prefix}/") == []


def test_a_server_that_stays_silent_is_given_up_with_a_reason(
    proxy: FaultyProxy, s3_connection: ResolvedConnection
) -> None:
    objects = through(proxy, s3_connection, secrets.token_hex(6))
    proxy.plan = Plan("503", lambda _: True, 10_000)
    proxy.requests.clear()
    with pytest.raises(StoreUnreachableError, match=f"{ATTEMPTS} attempts"):
        objects.get("a")
    assert len(proxy.requests) == ATTEMPTS
    proxy.plan = None


def test_wrong_keys_are_refused_at_once_and_never_shown(s3_connection: ResolvedConnection) -> None:
    fields = {**s3_connection.values, "secret_key": "not-the-secret"}
    wrong = ResolvedConnection("s3", "s3proxy", fields, s3_connection.secret_fields)
    with pytest.raises(StoreUnreachableError, match="refuses access") as caught:
        S3Store("datasets", "x", wrong).get("a")
    assert "not-the-secret" not in str(caught.value)
