"""The stronger promises: kept by the providers that list them, refused by name by the others."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datamill_pipelines.datasets import DatasetStore, Repo
from datamill_pipelines.datasets.contract import Promise, UnsupportedError
from datamill_pipelines.datasets.errors import FencedError


def promised(store: DatasetStore, promise: Promise, ask: Callable[[], object]) -> bool:
    """Whether the provider promises; if not, asking must be refused with a reason and an instruction."""
    if promise in store.promises:
        return True
    with pytest.raises(UnsupportedError) as caught:
        ask()
    assert caught.value.reason
    assert caught.value.instruction
    return False


def test_a_batch_that_does_not_continue_the_positions_is_fenced(store: DatasetStore, repo: Repo) -> None:
    def first() -> None:
        with repo.commit() as txn:
            txn.put("0-5", b"1")
            txn.advance("topic/0", 0, 5)

    if not promised(store, Promise.FENCING, first):
        assert repo.branches == {}
        return
    first()
    with pytest.raises(FencedError), repo.commit() as txn:
        txn.put("3-9", b"1")
        txn.advance("topic/0", 3, 9)
    assert repo.resolve().positions["topic/0"] == (0, 5)


def test_a_tag_names_a_commit_for_good(store: DatasetStore, repo: Repo) -> None:
    with repo.commit() as txn:
        txn.put("a", b"1")
    if promised(store, Promise.TAGS, lambda: repo.create_tag("v1", at="main")):
        repo.create_tag("v1", at="main")
        with repo.commit() as later:
            later.put("a", b"2")
        assert repo.resolve("v1").id == txn.commit.id
        assert {"v1": txn.commit.id} == {name: commit.id for name, commit in repo.tags.items()}
    else:
        assert repo.tags == {}


def test_files_have_addresses_that_engines_read(store: DatasetStore, repo: Repo) -> None:
    with repo.commit() as txn:
        txn.put_table("t.parquet", pa.table({"n": [1, 2]}))
    if promised(store, Promise.IN_PLACE, lambda: repo.commit_view().uris()):
        (address,) = repo.commit_view().uris()
        if "://" not in address:
            assert pq.read_table(address).to_pydict() == {"n": [1, 2]}


def test_logical_digests_are_those_of_every_store(store: DatasetStore, repo: Repo) -> None:
    with repo.commit() as txn:
        txn.put_table("t.parquet", pa.table({"n": [1, 2]}))
        txn.put("x", b"1")
    if promised(store, Promise.LOGICAL_DIGESTS, lambda: repo.commit_view().logical_digest()):
        # Written down once, so that it is the same for every provider, machine and day.
        assert repo.commit_view().logical_digest() == EXPECTED


EXPECTED = "51a998948203cfc87c4194305052236d4ab67b4413100f4410f86b1cf3164fc3"
