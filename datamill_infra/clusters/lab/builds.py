"""Programs that are built from Go modules, once per user and content.

Each folder of ``lab/`` with a ``go.mod`` is one module. What is built lies in the user's cache under a digest of the
module's files, the compiler and the flags, so that checkouts share it and a change of any of them makes a new one.
The sums in ``go.sum`` pin every byte; where modules come from is the Go installation's own setting.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from datamill_infra.clusters.commands import ClusterError
from datamill_infra.clusters.lab.sources import lab_sources
from datamill_infra.clusters.provider import quiet
from datamill_infra.drivers.embedded.artifacts import cache_root

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from datamill_infra.clusters.commands import Commands

OLDEST_GO = (1, 26)
NO_DEBUG_INFORMATION = "-gcflags=all=-dwarf=false"
"""A tenth of the compiler's time, for what the linker leaves out anyway."""
# Six minutes alone on two cores; a machine that does other things as well takes several times as long.
BUILD_SECONDS = 5400.0


@dataclass(frozen=True)
class GoProgram:
    """One program.

    Attributes:
        module: folder below ``lab/``.
        name: the file that is made.
        package: what is built, as ``go build`` names it.
        variables: set by the linker.
    """

    module: str
    name: str
    package: str
    variables: Mapping[str, str]


KUBERNETES_VERSION = "v1.34.4"
HELM_VERSION = "v4.3.1"
COREDNS_VERSION = "v1.14.7"

KUBERNETES = GoProgram(
    "kubernetes",
    "lab-kubernetes",
    ".",
    {
        "k8s.io/component-base/version.gitVersion": KUBERNETES_VERSION,
        "k8s.io/component-base/version.gitMajor": KUBERNETES_VERSION.removeprefix("v").split(".")[0],
        "k8s.io/component-base/version.gitMinor": KUBERNETES_VERSION.split(".")[1],
        "k8s.io/component-base/version.gitTreeState": "clean",
    },
)
PAUSE = GoProgram("kubernetes", "pause", "./pause", {})
COREDNS = GoProgram("coredns", "coredns", ".", {})
HELM = GoProgram("helm", "helm", "helm.sh/helm/v4/cmd/helm", {"helm.sh/helm/v4/internal/version.version": HELM_VERSION})


class GoBuilds:
    """Makes programs, or finds them made.

    Args:
        commands: the door to the compiler.
        root: the cache; by default the user's.
        notify: receives one sentence per build.
    """

    def __init__(self, commands: Commands, *, root: Path | None = None, notify: Callable[[str], None] = quiet) -> None:
        self._commands = commands
        self._root = (root or cache_root()) / "lab"
        self._notify = notify
        self._compiler: str | None = None

    def program(self, program: GoProgram) -> Path:
        """The absolute path of a program that is built from exactly the sources that are here.

        Raises:
            ClusterError: there is no fitting Go, or the build failed.
        """
        made = self._root / f"{program.name}-{self._digest(program)}" / program.name
        if made.is_file():
            return made
        self._root.mkdir(parents=True, exist_ok=True)
        # Two labs that start at once need the same program: one builds, the other waits.
        with FileLock(self._root / f"{program.name}.lock"):
            if not made.is_file():
                self._build(program, made)
        return made

    def _build(self, program: GoProgram, made: Path) -> None:
        self._notify(f"Building {program.name} from its Go modules; the first time takes minutes.")
        scratch = Path(tempfile.mkdtemp(dir=self._root, prefix=".build-"))
        try:
            self._commands.run(
                [
                    *("go", "build", "-trimpath", NO_DEBUG_INFORMATION, "-ldflags", _linker_flags(program)),
                    *("-o", str(scratch / program.name), program.package),
                ],
                directory=lab_sources() / program.module,
                environment=_environment(),
                seconds=BUILD_SECONDS,
                instruction=f"Look at lab/{program.module}, and check that Go can reach its module proxy.",
            )
            shutil.rmtree(made.parent, ignore_errors=True)
            scratch.chmod(0o755)
            scratch.replace(made.parent)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _digest(self, program: GoProgram) -> str:
        digest = hashlib.sha256()
        folder = lab_sources() / program.module
        for file in sorted(f for f in folder.rglob("*") if f.suffix == ".go" or f.name in {"go.mod", "go.sum"}):
            digest.update(f"{file.relative_to(folder)}\n".encode())
            digest.update(file.read_bytes())
        digest.update(f"{program}\n{self._go_version()}".encode())
        return digest.hexdigest()[:16]

    def _go_version(self) -> str:
        if self._compiler is None:
            oldest = ".".join(map(str, OLDEST_GO))
            instruction = f"Install Go {oldest} or newer and put `go` on the search path."
            if self._commands.find("go") is None:
                raise ClusterError("The lab is built from Go modules, and there is no `go`.", instruction=instruction)
            said = self._commands.run(["go", "env", "GOVERSION", "GOARCH"], seconds=60, instruction=instruction)
            found = re.match(r"go(\d+)\.(\d+)", said)
            if found is None or (int(found[1]), int(found[2])) < OLDEST_GO:
                raise ClusterError(
                    f"The lab needs Go {oldest}, and here is {said.split()[0]}.", instruction=instruction
                )
            self._compiler = " ".join(said.split())
        return self._compiler


def _linker_flags(program: GoProgram) -> str:
    # Without symbols: half the size, and nobody debugs these here.
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in program.variables.items())])


def _environment() -> dict[str, str]:
    # Static, so that the same file runs on the node and, alone, in an image. And a compiler that looks for garbage at
    # four times its size rather than at twice: it ends before that.
    return {"GOGC": "400", **os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
