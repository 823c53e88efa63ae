"""A door to programs behind which nothing runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra.clusters.commands import Commands

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


class FakeCommands(Commands):
    """Records what is run, and answers as it is told.

    Args:
        answer: from arguments to output; it may raise.
        programs: the ones that can be found.
    """

    def __init__(self, answer: Callable[[Sequence[str]], str] = lambda _: "", programs: Sequence[str] = ()) -> None:
        self.answer = answer
        self.programs = programs
        self.ran: list[list[str]] = []
        self.environments: list[Mapping[str, str] | None] = []

    def find(self, program: str) -> str | None:
        return f"/usr/bin/{program}" if program in self.programs else None

    def run(
        self,
        argv: Sequence[str],
        *,
        seconds: float,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: str | None = None,
        instruction: str = "",
    ) -> str:
        del seconds, directory, stdin, instruction
        self.ran.append(list(argv))
        self.environments.append(environment)
        return self.answer(argv)
