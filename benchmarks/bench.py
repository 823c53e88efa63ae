"""What every benchmark is given, and what it gives back."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Contestant, Figures, interleaved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.measure import Sample
    from benchmarks.servers import Servers

HERE = Path(__file__).parent

_VERSION = """
import importlib.metadata, sys
for name in sys.argv[1:]:
    try:
        print(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        print(name, "-")
"""


@dataclass(frozen=True)
class Row:
    """One line of the table of goals.

    Attributes:
        what: was measured.
        figure: the result, in words.
        goal: in words.
        met: whether the goal is reached; ``None`` when a peer that it compares with is not installed.
        sides: the contestants' figures behind it.
        note: what has to be known to read it.
    """

    what: str
    figure: str
    goal: str
    met: bool | None
    sides: tuple[Figures, ...] = ()
    note: str = ""


@dataclass
class Bench:
    """One run of the benchmarks.

    Attributes:
        scratch: a directory for what they write.
        peers: the interpreter whose environment has the peers; our own when ``None``.
        rounds: how often each side runs.
        scale: share of the full size; 1 for figures that are to be quoted, less to try out.
        note: what a reader of the figures has to know of this run.
        servers: brings up and returns the servers, once.
        say: told what is going on.
    """

    scratch: Path
    servers: Callable[[], Servers]
    peers: Path | None = None
    rounds: int = 5
    scale: float = 1.0
    note: str = ""
    say: Callable[[str], None] = print
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def count(self, full: int, least: int = 1) -> int:
        """A size, scaled."""
        return max(int(full * self.scale), least)

    def fresh(self) -> Path:
        """A new path in the scratch directory; nothing is there yet."""
        return self.scratch / f"{next(self._numbers):05d}"

    def ours(self, name: str, script: str, *arguments: object, **more: object) -> Contestant:
        """A contestant that runs a script of ours. See :meth:`peer`."""
        return self._contestant(name, Path(sys.executable), HERE / script, arguments, more)

    def peer(self, name: str, script: str, *arguments: object, **more: object) -> Contestant:
        """A contestant that runs a script of ``peers/`` in the peers' environment.

        Args:
            name: as it appears in the table.
            script: its file.
            arguments: of the script; a callable is called before each run.
            more: ``environment`` and ``before`` of :class:`~benchmarks.measure.Contestant`.
        """
        return self._contestant(name, self._peers, HERE / "peers" / script, arguments, more)

    def has(self, *packages: str) -> bool:
        """Whether the peers' environment has these packages."""
        return "-" not in self.versions(*packages).values()

    def versions(self, *packages: str) -> dict[str, str]:
        """Version by package of the peers' environment; ``-`` where it is not installed."""
        argv = [str(self._peers), "-c", _VERSION, *packages]
        printed = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
        return dict(line.split(" ", 1) for line in printed.splitlines())

    def run(self, contestants: Sequence[Contestant], *, once: bool = False) -> dict[str, Figures]:
        """Run the contestants in turn; their figures by name.

        Args:
            contestants: the sides.
            once: a single round, for a script that takes medians itself.
        """
        rounds = 1 if once else self.rounds
        self.say(f"  {', '.join(each.name for each in contestants)}: {rounds} rounds")
        figures = {each.name: each for each in interleaved(contestants, rounds, warm_up=not once, told=self._tell)}
        for each in figures.values():
            self.say(f"    {each.name:32} {each.work:8.3f} s  whole process {each.wall:7.3f} s  CPU {each.cpu:7.3f} s")
        return figures

    def _tell(self, name: str, sample: Sample) -> None:
        self.say(f"      {name}: {sample.work:.3f} s, whole process {sample.wall:.2f} s, CPU {sample.cpu:.2f} s")

    @property
    def _peers(self) -> Path:
        return self.peers or Path(sys.executable)

    def _contestant(
        self, name: str, python: Path, script: Path, arguments: Sequence[object], more: Mapping[str, object]
    ) -> Contestant:
        environment = {"PYTHONPATH": str(HERE.parent)} | dict(more.get("environment", {}))  # type: ignore[call-overload]
        argv = [str(python), str(script), *map(str, arguments)]
        return Contestant(name, argv, environment, more.get("before"))  # type: ignore[arg-type]
