from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from infra.clusters.fakes import FakeCommands

from datamill_infra.clusters.commands import ClusterError
from datamill_infra.clusters.lab import builds
from datamill_infra.clusters.lab.builds import (
    COREDNS,
    COREDNS_VERSION,
    HELM,
    HELM_VERSION,
    KUBERNETES,
    KUBERNETES_VERSION,
    GoBuilds,
)
from datamill_infra.clusters.lab.sources import lab_sources

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Compiler(FakeCommands):
    """Writes the file that a compiler would."""

    def __init__(self, version: str = "go1.26.8") -> None:
        super().__init__(self.compile, ["go"])
        self.version = version

    def compile(self, argv: Sequence[str]) -> str:
        if argv[1] == "env":
            return f"{self.version}\namd64\n"
        from pathlib import Path

        Path(argv[argv.index("-o") + 1]).write_text("program")
        return ""

    @property
    def built(self) -> int:
        return sum(argv[1] == "build" for argv in self.ran)


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "sources"
    (folder / "kubernetes").mkdir(parents=True)
    (folder / "kubernetes" / "go.mod").write_text("module m\n")
    (folder / "kubernetes" / "main.go").write_text("package main\n")
    monkeypatch.setattr(builds, "lab_sources", lambda: folder)
    return folder


def test_program_is_built_once(sources: Path, tmp_path: Path) -> None:
    del sources
    compiler = Compiler()
    first = GoBuilds(compiler, root=tmp_path).program(KUBERNETES)
    assert first == GoBuilds(compiler, root=tmp_path).program(KUBERNETES)
    assert ("program", 1) == (first.read_text(), compiler.built)


@pytest.mark.parametrize("file", ["go.mod", "main.go", "go.sum"])
def test_program_is_built_again_when_its_sources_change(sources: Path, tmp_path: Path, file: str) -> None:
    compiler = Compiler()
    before = GoBuilds(compiler, root=tmp_path).program(KUBERNETES)
    (sources / "kubernetes" / file).write_text("changed")
    assert before != GoBuilds(compiler, root=tmp_path).program(KUBERNETES)


def test_program_is_built_again_by_another_compiler(sources: Path, tmp_path: Path) -> None:
    del sources
    before = GoBuilds(Compiler(), root=tmp_path).program(KUBERNETES)
    assert before != GoBuilds(Compiler("go1.27.0"), root=tmp_path).program(KUBERNETES)


def test_failed_build_leaves_nothing_that_could_be_taken_for_a_program(sources: Path, tmp_path: Path) -> None:
    del sources

    def fail(argv: Sequence[str]) -> str:
        if argv[1] == "env":
            return "go1.26.8 amd64"
        raise ClusterError("no", instruction="no")

    with pytest.raises(ClusterError):
        GoBuilds(FakeCommands(fail, ["go"]), root=tmp_path).program(KUBERNETES)
    assert [] == [file for file in (tmp_path / "lab").iterdir() if file.suffix != ".lock"]


def test_machine_without_go_is_told_so(sources: Path, tmp_path: Path) -> None:
    del sources
    with pytest.raises(ClusterError, match="there is no `go`") as caught:
        GoBuilds(FakeCommands(), root=tmp_path).program(KUBERNETES)
    assert "Install Go 1.26" in caught.value.instruction


def test_go_that_is_too_old_is_told_so(sources: Path, tmp_path: Path) -> None:
    del sources
    with pytest.raises(ClusterError, match=r"needs Go 1\.26, and here is go1\.9\.1"):
        GoBuilds(Compiler("go1.9.1"), root=tmp_path).program(KUBERNETES)


@pytest.mark.parametrize(
    ("program", "line"),
    [
        (KUBERNETES, f"k8s.io/kubernetes {KUBERNETES_VERSION}"),
        (HELM, f"helm.sh/helm/v4 {HELM_VERSION}"),
        (COREDNS, f"github.com/coredns/coredns {COREDNS_VERSION}"),
    ],
)
def test_version_that_a_program_tells_is_the_one_of_its_module(program: builds.GoProgram, line: str) -> None:
    assert line in (lab_sources() / program.module / "go.mod").read_text()
