"""Uploads that were cut off, servers that stay silent, keys that are wrong."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.datasets.errors import StoreUnreachableError
from datamill_pipelines.datasets.s3 import ATTEMPTS, S3Store
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.testing.proxy import FaultyProxy, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PART = 5 << 20
"""The smallest part that S3 allows."""


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
