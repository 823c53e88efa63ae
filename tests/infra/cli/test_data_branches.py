"""merge, push, pull and repair on the command line, between stores in directories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from infra.cli.data_verbs import Verbs


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Where another store is."""
    return tmp_path / "other"


def put(verb: Verbs, tmp_path: Path, target: str, name: str, text: str, store: Path | None = None) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    code, printed = verb("put", target, str(file), "--to", "in", store=store)
    assert code == 0, printed


def test_merge_takes_what_the_other_branch_changed(verb: Verbs, filled: Path, tmp_path: Path) -> None:
    del filled
    verb("branch", "raw/notes", "dev")
    put(verb, tmp_path, "raw/notes@dev", "c", "third\n")
    put(verb, tmp_path, "raw/notes@main", "d", "fourth\n")
    made = verb.read("merge", "raw/notes@dev", "-m", "bring c")
    assert ["in/a", "in/b", "in/c", "in/d"] == [file["path"] for file in verb.read("ls", "raw/notes")]
    assert ("bring c", 2) == (made["message"], len(made["parents"]))
    assert "has everything" in verb("merge", "raw/notes@dev")[1]


def test_merge_names_the_files_in_conflict_and_writes_nothing(verb: Verbs, filled: Path, tmp_path: Path) -> None:
    del filled
    verb("branch", "raw/notes", "dev")
    put(verb, tmp_path, "raw/notes@dev", "b", "theirs\n")
    put(verb, tmp_path, "raw/notes@main", "b", "ours\n")
    before = verb.head("raw/notes")
    code, printed = verb("merge", "raw/notes@dev", "main")
    assert code == 1
    assert "in/b" in printed
    assert before == verb.head("raw/notes")


def test_merge_goes_into_a_branch_of_the_same_repo_only(verb: Verbs, filled: Path) -> None:
    del filled
    verb("tag", "raw/notes", "v1")
    code, printed = verb("merge", "raw/notes@main~1", "v1")
    assert code == 1
    assert "no branch 'v1'" in printed
    assert "main" in printed
    code, printed = verb("merge", "raw/notes@main", "raw/others@main")
    assert code == 5
    assert "different repos" in printed


def test_push_copies_commits_with_their_ids_and_a_second_one_copies_nothing(
    verb: Verbs, filled: Path, other: Path
) -> None:
    del filled
    pushed = verb.read("push", "raw/notes", other.as_uri())
    there = verb.read("log", "raw/notes", store=other)
    assert verb.read("log", "raw/notes") == there
    assert pushed["commits"] == [commit["id"] for commit in reversed(there)]
    assert "nothing was copied" in verb("push", "raw/notes@main", other.as_uri())[1]


def test_pull_brings_what_is_new_there(verb: Verbs, filled: Path, other: Path, tmp_path: Path) -> None:
    del filled
    verb("push", "raw/notes", other.as_uri())
    put(verb, tmp_path, "raw/notes", "c", "third\n", store=other)
    code, printed = verb("pull", "raw/notes", other.as_uri())
    assert code == 0, printed
    assert "Copied 1 commits" in printed
    assert verb.head("raw/notes", store=other) == verb.head("raw/notes")


def test_branches_that_went_apart_are_not_overwritten(verb: Verbs, filled: Path, other: Path, tmp_path: Path) -> None:
    del filled
    verb("push", "raw/notes", other.as_uri())
    put(verb, tmp_path, "raw/notes", "c", "there\n", store=other)
    put(verb, tmp_path, "raw/notes", "c", "here\n")
    before = verb.head("raw/notes", store=other)
    code, printed = verb("push", "raw/notes", other.as_uri())
    assert code == 1
    assert "that are not on the branch being copied" in printed
    assert before == verb.head("raw/notes", store=other)


def test_only_branches_are_copied(verb: Verbs, filled: Path, other: Path) -> None:
    del filled
    verb("tag", "raw/notes", "v1")
    code, printed = verb("push", "raw/notes@v1", other.as_uri())
    assert code == 1
    assert "no branch 'v1'" in printed
    assert [] == verb.read("repos", store=other)


def test_a_pull_that_finds_nothing_makes_no_repo(verb: Verbs, filled: Path, other: Path) -> None:
    del filled
    code, printed = verb("pull", "raw/nots", verb.store.as_uri(), store=other)
    assert code == 5
    assert "raw/notes" in printed
    assert [] == verb.read("repos", store=other)


def test_fsck_repairs_from_the_store_that_was_pushed_to(verb: Verbs, filled: Path, other: Path) -> None:
    del filled
    verb("push", "raw/notes", other.as_uri())
    blob = next(file for file in verb.store.rglob("*") if file.is_file() and file.read_bytes() == b"second\n")
    blob.chmod(0o600)
    blob.write_bytes(b"secand\n")
    assert verb("fsck")[0] == 1
    code, printed = verb("fsck", "--from", other.as_uri())
    assert code == 0, printed
    assert "repaired: damaged" in printed
    assert (0, "second\n") == verb("cat", "raw/notes", "in/b")


def test_an_s3_store_without_keys_is_refused_with_the_variables_that_it_needs(
    verb: Verbs, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del filled
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    code, printed = verb("push", "raw/notes", "s3://elsewhere/datasets")
    assert code == 5
    assert "AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY" in printed


def test_a_directory_without_a_deployment_is_no_store(verb: Verbs, filled: Path, tmp_path: Path) -> None:
    del filled
    code, printed = verb("push", "raw/notes", str(tmp_path))
    assert code == 5
    assert "deployment" in printed
