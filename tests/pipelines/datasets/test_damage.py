"""What is damaged is named, with the files that cannot be read because of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datamill_pipelines.datasets.store import DatasetStore


def test_what_is_damaged_is_named_with_its_files(local: DatasetStore) -> None:
    with local.create_repo("raw/flights").commit() as transaction:
        transaction.put("a.csv", b"1")
        transaction.put("b.csv", b"2")
    one, two = (local.objects.local_path(key) for key in sorted(info.key for info in local.objects.scan("blobs")))
    assert one is not None
    assert two is not None
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    problems = local.fsck().problems
    assert sorted(path for problem in problems.values() for path in problem.files) == ["a.csv", "b.csv"]
    assert all("belongs to" in problem.what for problem in problems.values())
