"""Repos, commits, branches, provenance, positions: what a user sees, on every backend."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from datamill_infra.model.errors import UnknownNameError
from datamill_pipelines.datasets import ConflictError, FencedError, NotFoundError, PositionRange, Provenance
from datamill_pipelines.datasets.errors import ExistsError, FormatError, InvalidNameError
from datamill_pipelines.datasets.framing import pack_record
from datamill_pipelines.datasets.store import DatasetStore, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from datamill_pipelines.datasets import Commit, CommitView, Repo
    from datamill_pipelines.datasets.objects import ObjectStore

TABLE = pa.table({"flight": [3, 1, 2], "carrier": ["UA", None, "AA"], "delay": [1.5, -0.0, 2.25]})


def put(repo: Repo, files: dict[str, bytes | None], branch: str = "main") -> Commit | None:
    with repo.commit(branch) as transaction:
        for path, data in files.items():
            if data is None:
                transaction.delete(path)
            else:
                transaction.put(path, data)
    return transaction.commit


def contents(view: CommitView) -> dict[str, bytes]:
    return {file.path: view.read_bytes(file.path) for file in view.files()}


def test_a_commit_is_read_back_by_branch_id_prefix_and_from_another_process(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights", "Departures of 2013")
    commit = put(repo, {"a.txt": b"1", "b/c.txt": b"2"})
    assert commit is not None
    again = DatasetStore(store.objects)
    assert again.repo("raw/flights").description == "Departures of 2013"
    for ref in ("raw/flights", "raw/flights@main", f"raw/flights@{commit.id}", f"raw/flights@{commit.short_id}"):
        view = again.commit_view(ref)
        assert commit == view.commit
        assert contents(view) == {"a.txt": b"1", "b/c.txt": b"2"}


def test_a_commit_keeps_who_why_and_what_for(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    with repo.commit(message="why", author="who", run_id="run", code_version="7", metadata={"a": [1]}) as transaction:
        transaction.put("a", b"")
        transaction.metadata["b"] = "x"
    commit = DatasetStore(store.objects).commit_view("raw/flights").commit
    assert (
        commit.message, commit.author, commit.run_id, commit.code_version, commit.branch, commit.repo,
    ) == ("why", "who", "run", "7", "main", "raw/flights")  # fmt: skip
    assert commit.metadata == {"a": [1], "b": "x"}
    assert commit.created_at.tzinfo is not None


def test_an_exception_leaves_everything_as_it_was(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    first = put(repo, {"a": b"1"})
    with pytest.raises(ZeroDivisionError), repo.commit() as transaction:
        transaction.put("a", b"2")
        raise ZeroDivisionError
    assert transaction.commit is None
    assert first == repo.resolve()


def test_putting_the_same_again_makes_no_commit(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    first = put(repo, {"a": b"1", "b": b"2"})
    assert put(repo, {"a": b"1", "nothing": None}) is None
    assert first == repo.resolve()


def test_bytes_files_and_streams_can_be_put(store: DatasetStore, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"file")
    (tmp_path / "large").write_bytes(b"\0" * (9 << 20))
    repo = store.create_repo("raw/flights")
    with repo.commit() as transaction:
        transaction.put("bytes", b"bytes")
        transaction.put("file", tmp_path / "f")
        transaction.put("stream", io.BytesIO(b"stream"))
        transaction.put("large", tmp_path / "large")
    view = repo.commit_view()
    assert [view.read_bytes(path) for path in ("bytes", "file", "stream")] == [b"bytes", b"file", b"stream"]
    with view.open("large") as opened:
        assert len(opened.read()) == 9 << 20


def test_a_table_is_read_back_sorted_with_rows_and_schema(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    with repo.commit() as transaction:
        transaction.put_table("x/1.parquet", TABLE, sort_by=["flight"])
        transaction.put_table("x/2.parquet", pa.table({"flight": [9], "tail": ["N1"]}))
    view = repo.commit_view()
    table = view.table("x/")
    assert table["flight"].to_pylist() == [1, 2, 3, 9]
    assert table["tail"].to_pylist() == [None, None, None, "N1"]
    assert view.table("x/1", columns=["carrier"]).column_names == ["carrier"]
    info = view.file("x/1.parquet")
    assert (
        info.rows,
        info.schema,
    ) == (3, (("flight", "int64", True), ("carrier", "string", True), ("delay", "double", True)))
    assert info.logical_digest is not None


def test_reserved_files_are_kept_apart(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    with repo.commit() as transaction:
        transaction.put_table("x.parquet", TABLE)
        transaction.put_table("_dead_letters/1.parquet", TABLE)
    view = repo.commit_view()
    assert [file.path for file in view.files()] == ["x.parquet"]
    assert [file.path for file in view.files("_dead_letters/")] == ["_dead_letters/1.parquet"]
    assert view.table().num_rows == 3


def test_reading_through_a_transaction_pins_and_is_provenance(store: DatasetStore) -> None:
    raw, features = store.create_repo("raw/flights"), store.create_repo("features/x")
    first = put(raw, {"a": b"1"})
    with features.commit() as transaction:
        assert transaction.read("raw/flights@main").read_bytes("a") == b"1"
        put(raw, {"a": b"2"})
        assert transaction.read("raw/flights@main").read_bytes("a") == b"1"
        transaction.put("b", b"1")
    assert first is not None
    assert (Provenance("raw/flights", "raw/flights@main", first.id),) == features.resolve().provenance


def test_log_parents_and_ancestors_are_newest_first(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    commits = [put(repo, {"a": b"%d" % number}) for number in range(12)]
    assert commits[::-1] == list(repo.log())
    assert commits[:-3:-1] == list(repo.log(limit=2))
    assert commits[-4] == store.commit_view("raw/flights@main~3").commit
    with pytest.raises(NotFoundError, match="first commit"):
        store.commit_view("raw/flights@main~12")


def test_a_diff_names_what_was_added_changed_and_removed(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    put(repo, {"a": b"1", "b": b"1", "c": b"1"})
    put(repo, {"a": None, "b": b"2", "d": b"1"})
    assert [(change.kind, change.path) for change in repo.diff("main~1", "main")] == [
        ("removed", "a"),
        ("changed", "b"),
        ("added", "d"),
    ]


def test_a_prefix_is_deleted_and_refilled_in_one_commit(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    put(repo, {"x/1": b"1", "x/2": b"2", "y": b"3"})
    with repo.commit() as transaction:
        transaction.put("x/0", b"gone before it was there")
        transaction.delete_prefix("x/")
        transaction.put("x/2", b"new")
    assert contents(repo.commit_view()) == {"x/2": b"new", "y": b"3"}


def test_a_rollback_moves_the_branch_and_keeps_history(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    first, second = put(repo, {"a": b"1"}), put(repo, {"a": b"2"})
    assert first == repo.rollback("main", "main~1")
    assert first == DatasetStore(store.objects).repo("raw/flights").resolve()
    assert second is not None
    assert repo.commit_view(second.id).read_bytes("a") == b"2"
    third = put(repo, {"b": b"3"})
    assert third is not None
    assert first is not None
    assert (first.id,) == third.parents
    assert contents(repo.commit_view()) == {"a": b"1", "b": b"3"}


def test_branches_start_from_any_commit_without_copying(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    put(repo, {"a": b"1"})
    put(repo, {"a": b"2"})
    before = {info.key for info in store.objects.scan("blobs")}
    repo.create_branch("try/it", "main~1")
    assert before == {info.key for info in store.objects.scan("blobs")}
    put(repo, {"b": b"3"}, "try/it")
    assert contents(repo.commit_view("try/it")) == {"a": b"1", "b": b"3"}
    assert contents(repo.commit_view()) == {"a": b"2"}
    assert list(repo.branches) == ["main", "try/it"]


def test_a_deleted_branch_that_is_made_again_is_another_one(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    put(repo, {"a": b"1"})
    put(repo, {"x": b"1"}, "side")
    other = DatasetStore(store.objects).repo("raw/flights")
    assert [file.path for file in other.commit_view("side").files()] == ["x"]
    repo.delete_branch("side")
    with pytest.raises(NotFoundError):
        other.commit_view("side")
    assert list(other.branches) == ["main"]
    fresh = put(repo, {"y": b"2"}, "side")
    assert fresh is not None
    assert fresh.parents == ()
    assert [file.path for file in other.commit_view("side").files()] == ["y"]


def test_a_branch_deleted_under_a_commit_refuses_it(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    put(repo, {"a": b"1"}, "side")
    with pytest.raises(ConflictError, match="deleted"), repo.commit("side") as transaction:
        transaction.put("a", b"2")
        DatasetStore(store.objects).repo("raw/flights").delete_branch("side")


def test_tags_name_a_commit_until_they_are_deleted(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    first = put(repo, {"a": b"1"})
    repo.create_tag("v1")
    put(repo, {"a": b"2"})
    assert first == store.commit_view("raw/flights@v1").commit
    with pytest.raises(ExistsError):
        repo.create_tag("v1")
    assert {"v1": first} == repo.tags
    repo.delete_tag("v1")
    assert repo.tags == {}
    repo.create_tag("v1")
    assert store.commit_view("raw/flights@v1").read_bytes("a") == b"2"


def test_positions_continue_from_commit_to_commit(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    with repo.commit() as transaction:
        transaction.put("0", b"")
        transaction.advance("k/0", 0, 10)
        transaction.advance("k/0", 10, 15)
        transaction.advance("k/1", 5, 6)
        assert transaction.positions["k/0"].end == 15
    with repo.commit() as transaction:
        transaction.advance("k/0", 15, 20)
    commit = DatasetStore(store.objects).commit_view("raw/flights").commit
    assert {"k/0": PositionRange(15, 20), "k/1": PositionRange(5, 6)} == commit.positions
    assert commit.advanced == ("k/0",)


def test_a_batch_that_does_not_continue_the_head_is_refused_at_once(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    with repo.commit() as transaction:
        transaction.advance("k", 0, 10)
    with pytest.raises(FencedError) as caught, repo.commit() as transaction:
        transaction.put("x", b"")
        transaction.advance("k", 9, 12)
    assert (caught.value.key, caught.value.expected, caught.value.start) == ("k", 10, 9)
    with repo.commit() as transaction:
        transaction.advance("k", 50, 60, adopt=True)
    assert repo.resolve().positions["k"].end == 60


def test_of_two_writers_with_one_position_the_second_is_discarded(store: DatasetStore) -> None:
    repo, other = store.create_repo("raw/flights"), DatasetStore(store.objects).repo("raw/flights")
    put(repo, {"a": b"1"})
    with pytest.raises(FencedError), repo.commit() as asleep:
        asleep.put("rows/0", b"mine")
        asleep.advance("k", 0, 10)
        with other.commit() as awake:
            awake.put("rows/0", b"theirs")
            awake.advance("k", 0, 7)
    assert awake.commit == repo.resolve()
    assert repo.commit_view().read_bytes("rows/0") == b"theirs"


def test_writers_of_different_files_both_land(store: DatasetStore) -> None:
    repo, other = store.create_repo("raw/flights"), DatasetStore(store.objects).repo("raw/flights")
    put(repo, {"a": b"1", "b": b"1"})
    with repo.commit() as first:
        first.put("a", b"2")
        put(other, {"b": b"2"})
    assert contents(repo.commit_view()) == {"a": b"2", "b": b"2"}
    assert len(list(repo.log())) == 3


def test_writers_of_one_file_conflict(store: DatasetStore) -> None:
    repo, other = store.create_repo("raw/flights"), DatasetStore(store.objects).repo("raw/flights")
    put(repo, {"a": b"1"})
    with pytest.raises(ConflictError, match="changed a") as caught, repo.commit() as first:
        first.put("a", b"2")
        put(other, {"a": b"3"})
    assert caught.value.paths == ("a",)
    assert contents(repo.commit_view()) == {"a": b"3"}


def test_what_was_read_from_the_head_must_still_hold(store: DatasetStore) -> None:
    repo, other = store.create_repo("raw/flights"), DatasetStore(store.objects).repo("raw/flights")
    put(repo, {"x/1": b"1", "y": b"1"})
    with pytest.raises(ConflictError, match="x/2"), repo.commit() as first:
        assert first.head is not None
        first.put("sum", b"%d" % len(list(first.head.files("x/"))))
        put(other, {"x/2": b"2"})
    with repo.commit() as first:
        assert first.head is not None
        first.put("sum", b"%d" % len(list(first.head.files("x/"))))
        put(other, {"y": b"2"})
    assert repo.commit_view().read_bytes("sum") == b"2"


def test_a_file_is_taken_over_from_another_commit_without_its_bytes(store: DatasetStore) -> None:
    repo, other = store.create_repo("raw/flights"), store.create_repo("features/x")
    put(repo, {"a.bin": b"1", "b.bin": b"2"})
    with other.commit() as transaction:
        transaction.copy("c/a.bin", transaction.read("raw/flights"), "a.bin")
    assert contents(other.commit_view()) == {"c/a.bin": b"1"}


def test_a_checkout_is_the_files(store: DatasetStore, tmp_path: Path) -> None:
    repo = store.create_repo("raw/flights")
    put(repo, {"a": b"1", "b/c": b"2"})
    assert repo.checkout("main", tmp_path / "out") == 2
    assert ((tmp_path / "out/a").read_bytes(), (tmp_path / "out/b/c").read_bytes()) == (b"1", b"2")
    with pytest.raises(ExistsError):
        repo.checkout("main", tmp_path / "out")


def test_unknown_names_say_what_there_is(store: DatasetStore) -> None:
    repo = store.create_repo("raw/flights")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'raw/flights'\?"):
        store.repo("raw/flihgts")
    with pytest.raises(NotFoundError):
        repo.resolve("main")
    put(repo, {"a": b"1"})
    for ref in ("raw/flights@nothing", "raw/flights@abcdef012345"):
        with pytest.raises(NotFoundError, match="no branch, tag or commit"):
            store.commit_view(ref)
    with pytest.raises(NotFoundError, match="no file b"):
        repo.commit_view().read_bytes("b")
    with pytest.raises(ExistsError):
        store.create_repo("raw/flights")
    assert store.repos() == ["raw/flights"]


@pytest.mark.parametrize("path", ["", "/a", "a//b", "a/../b", ".", "a\nb", "a\\b", "x" * 2000])
def test_paths_that_cannot_be_checked_out_are_refused(memory: DatasetStore, path: str) -> None:
    repo = memory.create_repo("raw/flights")
    with pytest.raises(InvalidNameError), repo.commit() as transaction:
        transaction.put(path, b"")


@pytest.mark.parametrize("name", ["", "/raw", "raw//x", "raw flights", "raw~x", "..", "a@b", "x" * 300])
def test_names_that_cannot_be_kept_are_refused(memory: DatasetStore, name: str) -> None:
    with pytest.raises(InvalidNameError):
        memory.create_repo(name)


def test_equal_content_gives_equal_trees_on_every_backend(store: DatasetStore, memory: DatasetStore) -> None:
    for each in (store, memory):
        repo = each.create_repo("raw/flights")
        with repo.commit() as transaction:
            transaction.put_table("t.parquet", TABLE, sort_by=["flight"])
            for number in range(200):
                transaction.put(f"small/{number}.bin", b"%d" % number)
    put(memory.repo("raw/flights"), {"z": b"1"})
    put(memory.repo("raw/flights"), {"z": None})
    one, two = store.commit_view("raw/flights"), memory.commit_view("raw/flights")
    assert one.tree_digest == two.tree_digest
    assert one.logical_digest() == two.logical_digest()
    assert one.subtree_digest("small/") == two.subtree_digest("small/")
    assert contents(one) == contents(two)


def test_a_store_of_another_format_is_refused(objects: ObjectStore) -> None:
    DatasetStore(objects)
    objects.put("format", pack_record("format", {"format": 99, "store": "x"}))
    with pytest.raises(FormatError, match="99"):
        DatasetStore(objects)


def test_a_directory_is_opened_by_its_url(tmp_path: Path) -> None:
    url = (tmp_path / "a directory").as_uri()
    put(open_store(url).create_repo("raw/flights"), {"a": b"1"})
    assert open_store(url).repos() == ["raw/flights"]
    assert url == open_store(url).url


@pytest.mark.parametrize("first", ["a", "a/b"])
def test_a_path_is_a_file_or_a_folder_never_both(memory: DatasetStore, first: str) -> None:
    second = "a/b" if first == "a" else "a"
    repo = memory.create_repo("raw/flights")
    with pytest.raises(InvalidNameError, match="folder"):
        put(repo, {"a": b"1", "a/b": b"2"})
    put(repo, {first: b"1"})
    with pytest.raises(InvalidNameError, match="folder"):
        put(repo, {second: b"2"})
    put(repo, {first: None, second: b"2"})
    assert contents(repo.commit_view()) == {second: b"2"}
