"""Verbs of ``datamill data`` on a store in the test's directory, for the modules that test them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from datamill_infra.cli.root import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Verbs:
    """Runs verbs; ``store`` may be another one than the test's own.

    Args:
        store: the directory.
        capsys: takes what is printed.
    """

    def __init__(self, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.store, self._capsys = store, capsys

    def __call__(self, *arguments: str, store: Path | None = None) -> tuple[int, str]:
        """Exit code, and what was printed."""
        code = run(["data", "--store", (store or self.store).as_uri(), *arguments])
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err

    def read(self, *arguments: str, store: Path | None = None) -> Any:  # noqa: ANN401  JSON
        """What a verb that succeeds prints as JSON."""
        code, printed = self(*arguments, "--json", store=store)
        assert code == 0, printed
        return json.loads(printed)

    def head(self, ref: str, *, store: Path | None = None) -> str:
        """Id of a commit."""
        return str(self.read("log", ref, "-n", "1", store=store)[0]["id"])
