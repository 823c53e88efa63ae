"""``datamill data`` on a store in a directory."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.data import command as data
from datamill_pipelines.datasets.errors import InvalidTableError

if TYPE_CHECKING:
    from pathlib import Path

    from infra.cli.data_verbs import Verbs


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_the_summary_that_the_list_shows(name: str) -> None:
    found = data.get_command(None, name)  # type: ignore[attr-defined]
    assert (found.help or "").splitlines()[0] == VERBS[name]


def test_put_makes_one_commit_and_none_when_nothing_changed(verb: Verbs, filled: Path) -> None:
    assert [commit["message"] for commit in verb.read("log", "raw/notes")] == ["two", "one"]
    assert "no commit was made" in verb("put", "raw/notes", str(filled))[1]


def test_a_file_that_cannot_be_read_or_is_not_what_its_name_says_ends_with_a_reason_and_no_commit(
    verb: Verbs, filled: Path, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as unreadable:
        unreadable.bind(str(tmp_path / "socket"))
        code, told = verb("put", "raw/notes", str(filled), str(tmp_path / "socket"))
    assert (code, "socket cannot be read: No such device or address." in told) == (64, True), told
    (tmp_path / "no.parquet").write_bytes(b"PAR1")
    code, told = verb("put", "raw/notes", str(filled), str(tmp_path / "no.parquet"))
    assert (code, "no.parquet is not a Parquet file" in told) == (InvalidTableError.exit_code, True), told
    assert [commit["message"] for commit in verb.read("log", "raw/notes")] == ["two", "one"]


def test_ls_lists_the_files_of_any_commit(verb: Verbs, filled: Path) -> None:
    del filled
    assert [file["path"] for file in verb.read("ls", "raw/notes")] == ["in/a", "in/b"]
    assert [file["path"] for file in verb.read("ls", "raw/notes@main~1")] == ["in/a"]


def test_diff_names_what_differs_from_the_parent_or_another_commit(verb: Verbs, filled: Path) -> None:
    del filled
    assert [(one["kind"], one["path"]) for one in verb.read("diff", "raw/notes")] == [("added", "in/b")]
    backwards = verb.read("diff", "raw/notes@main", "main~1")
    assert [(one["kind"], one["path"]) for one in backwards] == [("removed", "in/b")]


def test_cat_prints_a_file_as_it_is(verb: Verbs, filled: Path) -> None:
    del filled
    assert verb("cat", "raw/notes", "in/b") == (0, "second\n")


def test_checkout_writes_the_files_of_a_commit(verb: Verbs, filled: Path, tmp_path: Path) -> None:
    del filled
    assert verb("checkout", "raw/notes@main~1", str(tmp_path / "out"))[0] == 0
    assert [path.name for path in (tmp_path / "out" / "in").iterdir()] == ["a"]


def test_rollback_moves_the_branch_and_can_be_rolled_forward(verb: Verbs, filled: Path) -> None:
    del filled
    later = verb.read("log", "raw/notes")[0]["id"]
    assert verb("rollback", "raw/notes@main", "main~1")[0] == 0
    assert [file["path"] for file in verb.read("ls", "raw/notes")] == ["in/a"]
    assert verb("rollback", "raw/notes@main", later)[0] == 0
    assert later == verb.read("log", "raw/notes")[0]["id"]


def test_branches_and_tags_name_commits_without_copying(verb: Verbs, filled: Path) -> None:
    del filled
    head = verb.read("log", "raw/notes")[0]["id"]
    verb("branch", "raw/notes", "dev")
    verb("tag", "raw/notes", "v1")
    assert {"main": head, "dev": head} == verb.read("branch", "raw/notes")
    assert {"v1": head} == verb.read("tag", "raw/notes")
    verb("branch", "raw/notes", "dev", "--delete")
    assert {"main": head} == verb.read("branch", "raw/notes")


def test_fsck_ends_with_1_when_an_object_is_damaged(verb: Verbs, filled: Path, tmp_path: Path) -> None:
    del filled
    assert verb.read("fsck")["sound"]
    blob = next(file for file in (tmp_path / "store").rglob("*") if file.is_file() and file.read_bytes() == b"second\n")
    blob.chmod(0o600)
    blob.write_bytes(b"secand\n")
    code, printed = verb("fsck")
    assert code == 1
    assert "damaged" in printed
    assert "in/b" in printed


def test_an_unknown_repo_is_refused_with_the_nearest(verb: Verbs, filled: Path) -> None:
    del filled
    code, printed = verb("ls", "raw/nots")
    assert code == 5
    assert "Did you mean 'raw/notes'?" in printed


def test_repos_lists_each_with_its_branches(verb: Verbs, filled: Path) -> None:
    del filled
    (repo,) = verb.read("repos")
    assert (repo["name"], repo["description"], list(repo["branches"])) == ("raw/notes", "Notes", ["main"])
