"""What goes wrong between a client and S3 changes nothing but the number of requests, and that is bounded."""

from __future__ import annotations

import itertools
import random
import secrets
from collections.abc import Callable
from pathlib import Path

import obstore
import pytest
from faults import s3_work
from faults.bench import Bench, Case, Log, Trial, expect, must_work, sizes
from faults.rows import Row
from obstore.exceptions import AlreadyExistsError, PreconditionError

from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.datasets.s3 import S3Store
from datamill_pipelines.datasets.testing.proxy import FaultyProxy, Plan

pytestmark = pytest.mark.timeout(2_400)
Work = tuple[Callable[[S3Store, Path], None], Callable[[S3Store, Path], None], tuple[str, ...]]
WORK: dict[str, Work] = {
    "small": (
        s3_work.small_requests,
        s3_work.check_small_requests,
        ("create", "put", "head", "get", "list", "delete"),
    ),
    "sink": (s3_work.sink, s3_work.check_sink, ("create", "put", "head", "get")),
    "large": (s3_work.large_file, s3_work.check_large_file, ("begin", "part", "complete")),
}
"""What is done, how it is checked, and the requests that go wrong in it."""

ANYWHERE = ("429", "500", "503", "reset before", "reset after", "timeout before", "timeout after")
WITH_BODY = ("get", "list", "delete", "begin", "complete")
WITH_TAG = ("create", "put", "head", "get", "part")
TIMES = (1, 2, 5)
PARTS = 3
"""Of the large file. Nobody believes the ETag of a part's reply, so none is sent again, and no more can come wrong."""

SILENCE, PATIENCE = 2.0, 1.5
"""Seconds that a server is silent, and that the client waits."""

CONSTANT = 4
"""Calls more than those without faults and one for each fault."""


def all_cases() -> list[Case]:
    """Whatever can go wrong with each kind of request."""
    found = []
    for work, (_, _, kinds) in WORK.items():
        for kind in kinds:
            faults = [*ANYWHERE, *(["short"] if kind in WITH_BODY else []), *(["etag"] if kind in WITH_TAG else [])]
            found += [
                {"work": work, "kind": kind, "fault": fault, "times": times}
                for fault, times in itertools.product(faults, TIMES)
                if not (kind == "part" and fault == "etag" and times > PARTS)
            ]
    return found


def trial(connection: ResolvedConnection, folder: Path, store: type[S3Store] = S3Store) -> Trial:
    port = int(connection.text("endpoint").rpartition(":")[2])
    file = s3_work.make_large_file(folder)

    def requests(work: str, plan: Plan | None) -> tuple[FaultyProxy, str]:
        prefix = secrets.token_hex(6)
        with FaultyProxy(port) as proxy:
            proxy.plan = plan
            silent = plan is not None and plan.fault.startswith("timeout")
            WORK[work][0](s3_work.through(proxy, connection, prefix, PATIENCE if silent else 20, store), file)
        return proxy, prefix

    usual = {work: len(requests(work, None)[0].requests) for work in WORK}

    def try_one(case: Case, log: Log) -> None:
        plan = Plan(case["fault"], lambda request: request.kind == case["kind"], case["times"], silence=SILENCE)
        with must_work("working in spite of it"):
            proxy, prefix = requests(case["work"], plan)
        made = [request.kind for request in proxy.requests]
        log("done", requests=len(made), usual=usual[case["work"]], faults=plan.done)
        expect(plan.done == case["times"], f"only {plan.done} of {case['times']} faults came")
        most = usual[case["work"]] + plan.done + CONSTANT
        expect(len(made) <= most, f"{len(made)} requests, {usual[case['work']]} without faults")
        with FaultyProxy(port) as sound:
            WORK[case["work"]][1](s3_work.through(sound, connection, prefix, 20), file)

    return try_one


@sizes(6, 10_000)
def test_content_is_equal_and_calls_are_bounded(
    bench: Bench, s3_connection: ResolvedConnection, tmp_path: Path, size: int
) -> None:
    cases = all_cases()
    random.Random(bench.seed).shuffle(cases)
    if size < len(cases):
        cases = [case for case in cases if not case["fault"].startswith("timeout") or case["times"] == 1][:size]
    bench.run(Row.S3, cases, trial(s3_connection, tmp_path), workers=4)


class Deaf(S3Store):
    """Negative control: takes its own lost reply for somebody else's object."""

    def put_new(self, key: str, data: bytes) -> bool:
        try:
            self._retry(key, lambda: obstore.put(self._client, key, data, mode="create", use_multipart=False))
        except (AlreadyExistsError, PreconditionError):
            return False
        return True


def anxious(patch: pytest.MonkeyPatch) -> None:
    """Negative control: asks again and again."""
    size = S3Store.size

    def often(self: S3Store, key: str) -> int | None:
        for _ in range(8):
            size(self, key)
        return size(self, key)

    patch.setattr(S3Store, "size", often)


def untidy(patch: pytest.MonkeyPatch) -> None:
    """Negative control: begins an upload that nobody ends, and takes none away."""
    put = S3Store.put

    def leaving(self: S3Store, key: str, body: bytes | Path) -> None:
        if isinstance(body, Path):
            self._parts._begin(self._full(key) + "-forgotten")
        put(self, key, body)

    patch.setattr(S3Store, "put", leaving)
    patch.setattr(S3Store, "abandoned", lambda *_: iter(()))


@pytest.mark.control
def test_a_client_that_takes_its_own_lost_reply_for_anothers_is_caught(
    bench: Bench, s3_connection: ResolvedConnection, tmp_path: Path
) -> None:
    cases = [{"work": "small", "kind": "create", "fault": "reset after", "times": times} for times in TIMES]
    bench.control(Row.S3, "a client that does not know its own object", cases, trial(s3_connection, tmp_path, Deaf))


@pytest.mark.control
@pytest.mark.parametrize(("broken", "work", "kind"), [(anxious, "small", "head"), (untidy, "large", "part")])
def test_a_client_that_asks_too_often_or_leaves_uploads_is_caught(
    bench: Bench,
    s3_connection: ResolvedConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[pytest.MonkeyPatch], None],
    work: str,
    kind: str,
) -> None:
    try_one = trial(s3_connection, tmp_path)  # counts the usual requests, of a client that is right
    broken(monkeypatch)
    cases = [{"work": work, "kind": kind, "fault": "503", "times": 1}]
    bench.control(Row.S3, broken.__name__, cases, try_one)
