"""Tools that answer as they were recorded, and take no flag that their help does not have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from infra.clusters.fakes import FakeCommands

from datamill_infra.clusters.commands import CommandFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RECORDED: Mapping[str, Any] = yaml.safe_load((Path(__file__).parent / "recorded.yaml").read_text(encoding="utf-8"))


class RecordedTool(FakeCommands):
    """One tool.

    Args:
        program: its name.
        answers: instead of recorded ones, by the words that a command begins with; the longest wins.
        fails: what an error says, by the words that a command begins with.
    """

    def __init__(
        self, program: str, answers: Mapping[str, str] | None = None, fails: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(self._answer, [program])
        self.tool = RECORDED[program]
        self.answers = {**self.tool.get("answers", {}), **(answers or {})}
        self.fails = fails or {}

    def commands(self, words: str) -> list[list[str]]:
        """The commands that were run and begin so, without the program."""
        return [argv[1:] for argv in self.ran if " ".join(argv[1:]).startswith(words)]

    def _answer(self, argv: Sequence[str]) -> str:
        line = " ".join(argv[1:])
        self._check_flags(line, argv)
        if found := _longest(self.fails, line):
            raise CommandFailedError(argv, self.fails[found], "ended with status 1", instruction="")
        if "kubeconfig" in self.answers and (file := _after(argv, "--kubeconfig")):
            Path(file).write_text(self.answers["kubeconfig"], encoding="utf-8")
        inside = line.partition(" -- sudo ")[2] or line
        found = _longest(self.answers, inside)
        return self.answers[found] if found else ""

    def _check_flags(self, line: str, argv: Sequence[str]) -> None:
        command = _longest(self.tool["commands"], line)
        assert command, f"no recorded command begins `{line}`"
        own = argv[: argv.index("--")] if "--" in argv else argv
        flags = {word.partition("=")[0] for word in own if word.startswith("--")}
        assert flags <= set(self.tool["commands"][command]), (command, flags)


def _longest(table: Mapping[str, object], line: str) -> str | None:
    return max((words for words in table if line.startswith(words)), key=len, default=None)


def _after(argv: Sequence[str], flag: str) -> str | None:
    return argv[argv.index(flag) + 1] if flag in argv else None
