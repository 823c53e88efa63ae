"""Views: what a name names, files and tables, and that nothing changes under a reader."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pyarrow as pa
import pytest

from datamill_infra.model.errors import DatamillError
from datamill_pipelines.datasets import DatasetStore, Repo
from datamill_pipelines.datasets.errors import ExistsError, InvalidNameError, NotFoundError
from datamill_pipelines.datasets.logical import logical_digest


@pytest.fixture
def three(repo: Repo) -> list[str]:
    """Ids of three commits on ``main``, oldest first."""
    ids = []
    for number in range(3):
        with repo.commit() as txn:
            txn.put("n", str(number).encode())
        ids.append(txn.commit.id)
    return ids


def test_a_commit_is_named_by_branch_id_beginning_of_id_and_steps_back(
    repo: Repo, store: DatasetStore, three: list[str]
) -> None:
    names = {
        repo.name: 2,
        f"{repo.name}@main": 2,
        f"{repo.name}@main~1": 1,
        f"{repo.name}@main~2": 0,
        f"{repo.name}@{three[1]}": 1,
        f"{repo.name}@{three[1]}~1": 0,
        f"{repo.name}@{three[0][:12]}": 0,
        f"{repo.name}@{three[2][:12]}~1": 1,
    }
    assert {name: three[number] for name, number in names.items()} == {
        name: store.commit_view(name).id for name in names
    }


@pytest.mark.parametrize("revision", ["nothing", "main~3", "0123456789ab", "0" * 32, "0" * 64])
def test_a_name_that_names_nothing_is_not_found(repo: Repo, three: list[str], revision: str) -> None:
    assert len(three) == 3
    with pytest.raises(NotFoundError):
        repo.commit_view(revision)


def test_a_reference_that_is_none_is_refused(store: DatasetStore) -> None:
    for text in ("", "@main", "a@b@c", "repo@", "repo@main~x"):
        with pytest.raises((InvalidNameError, NotFoundError, DatamillError)):
            store.commit_view(text)


def test_a_view_does_not_change_when_the_branch_moves(repo: Repo, three: list[str]) -> None:
    view = repo.commit_view()
    with repo.commit() as txn:
        txn.put("n", b"later")
        txn.put("more", b"1")
    assert view.id == three[2]
    assert view.read_bytes("n") == b"2"
    assert [file.path for file in view.files()] == ["n"]


def test_files_are_listed_in_order_below_a_prefix_without_the_platforms_own(repo: Repo) -> None:
    with repo.commit() as txn:
        for path in ("b/2", "b/10", "a", "b.txt", "_dead_letters/x", "c/d/e"):
            txn.put(path, path.encode())
    view = repo.commit_view()
    assert [file.path for file in view.files()] == ["a", "b.txt", "b/10", "b/2", "c/d/e"]
    assert [file.path for file in view.files("b")] == ["b.txt", "b/10", "b/2"]
    assert [file.path for file in view.files("b/")] == ["b/10", "b/2"]
    assert [file.path for file in view.files("_dead_letters/")] == ["_dead_letters/x"]
    assert list(view.files("nothing")) == []


def test_one_file_is_asked_for_by_its_path(repo: Repo) -> None:
    with repo.commit() as txn:
        txn.put("a/b", b"12345")
    view = repo.commit_view()
    assert "a/b" in view
    assert "a" not in view
    assert (view.file("a/b").path, view.file("a/b").size) == ("a/b", 5)
    for missing in ("a", "a/c", "nothing"):
        with pytest.raises(NotFoundError):
            view.file(missing)
        with pytest.raises(NotFoundError):
            view.read_bytes(missing)
        with pytest.raises(NotFoundError):
            view.open(missing)


def test_an_opened_file_is_read_in_pieces_from_anywhere(repo: Repo) -> None:
    data = random.Random(2).randbytes(2_500_000)
    with repo.commit() as txn:
        txn.put("large", data)
    with repo.commit_view().open("large") as file:
        assert file.read(10) == data[:10]
        assert file.read(100_000) == data[10:100_010]
        file.seek(-7, io.SEEK_END)
        assert file.read() == data[-7:]
        assert file.read() == b""
        file.seek(1_234_567)
        assert file.read(1_000_000) == data[1_234_567:2_234_567]
        file.seek(5)
        file.seek(3, io.SEEK_CUR)
        assert file.tell() == 8
        assert file.read() == data[8:]


def test_a_commit_is_checked_out_into_an_empty_directory(repo: Repo, tmp_path: Path) -> None:
    files = {"a": b"1", "d/e/f": b"", "d/g": b"22"}
    with repo.commit() as txn:
        for path, data in files.items():
            txn.put(path, data)
    assert repo.checkout("main", tmp_path / "out") == 3
    found = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert files == {str(path.relative_to(tmp_path / "out")): path.read_bytes() for path in found}
    assert repo.checkout("main", tmp_path / "part", "d/") == 2
    with pytest.raises(ExistsError):
        repo.checkout("main", tmp_path / "out")


def test_two_commits_are_compared_file_by_file(repo: Repo) -> None:
    with repo.commit() as txn:
        for path in ("same", "changed", "removed", "d/same"):
            txn.put(path, b"1")
    with repo.commit() as txn:
        txn.put("changed", b"2")
        txn.put("d/added", b"3")
        txn.delete("removed")
    changes = repo.diff("main~1", "main")
    assert [(c.kind, c.path) for c in changes] == [("changed", "changed"), ("added", "d/added"), ("removed", "removed")]
    assert [(c.old and c.old.size, c.new and c.new.size) for c in changes] == [(1, 1), (None, 1), (1, None)]
    assert repo.diff("main", "main") == []


TABLE = pa.table({"flight": [3, 1, 2], "carrier": ["UA", None, "DL"], "delay": [1.5, -0.0, float("nan")]})


def test_a_table_is_read_back_sorted_with_rows_schema_and_logical_digest(repo: Repo) -> None:
    with repo.commit() as txn:
        txn.put_table("2013/01.parquet", TABLE, sort_by=["flight"])
        txn.put("notes.txt", b"not a table")
    view = repo.commit_view()
    assert view.table().column("flight").to_pylist() == [1, 2, 3]
    assert view.table().column("carrier").to_pylist() == [None, "DL", "UA"]
    file, notes = view.file("2013/01.parquet"), view.file("notes.txt")
    assert (file.rows, notes.rows, notes.schema, notes.logical_digest) == (3, None, None, None)
    assert [c[:2] for c in file.schema] == [("flight", "int64"), ("carrier", "string"), ("delay", "double")]
    assert logical_digest(TABLE) == file.logical_digest


def test_tables_below_a_prefix_are_one_table_in_path_order(repo: Repo) -> None:
    with repo.commit() as txn:
        txn.put_table("2013/02.parquet", pa.table({"flight": [4], "gate": ["B"]}))
        txn.put_table("2013/01.parquet", pa.table({"flight": [3, 1]}))
        txn.put_table("2014/01.parquet", pa.table({"flight": [9]}))
    view = repo.commit_view()
    assert view.table("2013/").to_pydict() == {"flight": [3, 1, 4], "gate": [None, None, "B"]}
    assert view.table("2013/", columns=["gate"]).to_pydict() == {"gate": [None, None, "B"]}
    assert view.table().column("flight").to_pylist() == [3, 1, 4, 9]
    with pytest.raises(NotFoundError):
        view.table("2015/")


def test_commits_are_queried_by_their_names(repo: Repo, store: DatasetStore) -> None:
    with repo.commit() as txn:
        txn.put_table("2013/01.parquet", pa.table({"carrier": ["UA", "DL"], "delay": [1, 2]}))
        txn.put_table("2013/02.parquet", pa.table({"carrier": ["UA"], "delay": [5]}))
    with repo.commit() as txn:
        txn.put_table("2013/02.parquet", pa.table({"carrier": ["UA"], "delay": [50]}))
    statement = "select carrier, sum(delay) total from '{}' group by 1 order by 1"
    assert store.sql(statement.format(f"{repo.name}@main")).to_pydict() == {"carrier": ["DL", "UA"], "total": [2, 51]}
    assert store.sql(statement.format(f"{repo.name}@main~1")).column("total").to_pylist() == [2, 6]
    assert store.sql(statement.format(f"{repo.name}@main/2013/02")).column("total").to_pylist() == [50]
    with pytest.raises(NotFoundError):
        store.sql(statement.format(f"{repo.name}@main/2014/"))


def test_two_commits_are_compared_row_by_row(repo: Repo) -> None:
    with repo.commit() as txn:
        txn.put_table("a.parquet", pa.table({"n": [1, 2, 2]}))
        txn.put_table("b.parquet", pa.table({"n": [7]}))
        txn.put("notes.txt", b"1")
    with repo.commit() as txn:
        txn.put_table("a.parquet", pa.table({"n": [1, 2, 3]}))
        txn.delete("b.parquet")
        txn.put_table("moved.parquet", pa.table({"n": [7]}))
        txn.put("notes.txt", b"2")
    difference = repo.diff_rows("main~1", "main")
    assert (difference.added.to_pydict(), difference.removed.to_pydict()) == ({"n": [3]}, {"n": [2]})
    assert repo.diff_rows("main~1", "main", "b").removed.to_pydict() == {"n": [7]}


def test_equal_tables_give_equal_files_and_logical_digests_do_not_see_order(repo: Repo) -> None:
    with repo.commit() as txn:
        txn.put_table("t.parquet", TABLE, sort_by=["flight"])
    first = repo.commit_view()
    with repo.commit() as txn:
        txn.put_table("t.parquet", TABLE.take([2, 0, 1]), sort_by=["flight"])
    assert txn.commit is None
    with repo.commit() as txn:
        txn.put_table("t.parquet", TABLE)
    assert txn.commit.tree != first.tree_digest
    assert repo.commit_view().logical_digest() == first.logical_digest()
