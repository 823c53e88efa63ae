"""What a client of S3 does while requests go wrong: commits, collections, readings, a sink, large files."""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path

from faults.bench import expect, must_work
from faults.landing import REF, land
from faults.soundness import check_sound, read_files
from faults.topics import check_landed, draw_topic

from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.datasets.s3 import S3Store
from datamill_pipelines.datasets.store import DatasetStore
from datamill_pipelines.datasets.testing.proxy import FaultyProxy

PART = 5 << 20
"""The smallest part that S3 allows."""

EXPECTED = {"a.csv": b"1", "b.csv": b"2" * 5000}


def through(
    proxy: FaultyProxy, connection: ResolvedConnection, prefix: str, timeout: float, kind: type[S3Store] = S3Store
) -> S3Store:
    """A client of the proxy that does not wait between attempts."""
    fields = {**connection.values, "endpoint": proxy.endpoint}
    resolved = ResolvedConnection("s3", "s3proxy", fields, connection.secret_fields)
    return kind("datasets", prefix, resolved, timeout=timeout, part_size=PART, sleep=lambda _: None)


def small_requests(objects: S3Store, _: Path) -> None:
    """Every kind of small request: commits, a branch taken away, a collection, a reading."""
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
    expect(read_files(objects, "raw/flights@main") == EXPECTED, "the content is another")


def check_small_requests(objects: S3Store, _: Path) -> None:
    check_sound(objects, nothing_left=True)
    expect(read_files(objects, "raw/flights@main") == EXPECTED, "the content is another")
    with must_work("reading the log"):
        commits = list(DatasetStore(objects).repo("raw/flights").log())
    expect(len(commits) == 1, f"there are {len(commits)} commits and not 1")


TOPIC = draw_topic(1, 80, 50)


def sink(objects: S3Store, _: Path) -> None:
    """Two runs of a sink."""
    for share in (40, 80):
        land(objects, [values[:share] for values in TOPIC])


def check_sink(objects: S3Store, _: Path) -> None:
    check_sound(objects)
    check_landed(DatasetStore(objects).commit_view(REF), TOPIC)


def large_file(objects: S3Store, file: Path) -> None:
    """One file in three parts."""
    objects.put("blobs/a/large", file)


def check_large_file(objects: S3Store, file: Path) -> None:
    expect(objects.get("blobs/a/large") == file.read_bytes(), "the content is another")
    list(objects.abandoned(objects.clock() + timedelta(days=1)))
    expect(objects._parts._list(f"{objects.prefix}/") == [], "an upload is left behind")


def make_large_file(folder: Path) -> Path:
    path = folder / "large"
    path.write_bytes(secrets.token_bytes(2 * PART + 1000))
    return path
