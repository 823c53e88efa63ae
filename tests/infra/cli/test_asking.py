"""What cannot be undone is asked for at a terminal, and refused where there is none."""

from __future__ import annotations

import os
import pty
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from datamill_infra.cli.asking import ask
from datamill_infra.cli.root import run


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Types an answer at a terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "wb", buffering=0) as keyboard, os.fdopen(theirs) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        yield lambda text: keyboard.write(f"{text}\n".encode())


def test_yes_goes_on(answer: Callable[[str], None], capsys: pytest.CaptureFixture[str]) -> None:
    answer("y")
    ask("Delete it?", "This deletes it")
    assert "Delete it? [y/N]: " == capsys.readouterr().err


def test_no_ends_the_command_with_nothing_done(
    answer: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    answer("n")
    assert 1 == run(["cluster", "delete", "never-made", "--provider", "lab"])
    said = capsys.readouterr().err
    assert "Remove the cluster datamill-lab-never-made with all its volumes?" in said
    assert said.endswith("Nothing was done.\n")


def test_without_a_terminal_it_is_refused_and_says_what_would_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        with pytest.raises(click.UsageError, match=r"^This deletes it\. Confirm with --yes\.$"):
            ask("Delete it?", "This deletes it")
        assert 64 == run(["cluster", "delete", "never-made", "--provider", "lab"])
