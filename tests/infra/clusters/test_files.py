from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from infra.clusters.fakes import FakeCommands

from datamill_infra.clusters.commands import ClusterError
from datamill_infra.clusters.lab import api
from datamill_infra.clusters.lab.images import write_image
from datamill_infra.clusters.lab.layout import Lab
from datamill_infra.clusters.lab.records import LabRecords, labs_directory
from datamill_infra.clusters.lab.requirements import install_missing
from datamill_infra.clusters.lab.servers import Programs, servers
from datamill_infra.clusters.lab.sources import lab_sources
from datamill_infra.images.contexts import write_launcher
from datamill_infra.model.errors import ConfigurationError

PROGRAMS = Programs(Path("/k"), Path("/c"), Path("/e"))


def test_image_of_a_program_is_the_same_every_time(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"static")
    for name in ("a.tar", "b.tar"):
        write_image(tmp_path / name, "datamill.lab/pause:1", program)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_image_of_a_program_runs_it_as_nobody_in_particular(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"static")
    write_image(tmp_path / "a.tar", "datamill.lab/pause:1", program)
    with tarfile.open(tmp_path / "a.tar") as archive:
        manifest = json.load(archive.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
        config = json.load(archive.extractfile(manifest["Config"]))["config"]  # type: ignore[arg-type]
    assert ["datamill.lab/pause:1"] == manifest["RepoTags"]
    assert (["/pause"], "65532:65532") == (config["Entrypoint"], config["User"])


def test_manifests_are_of_kinds_that_can_be_applied() -> None:
    values = {"domain": "cluster.local", "dns_image": "i", "dns_address": "10.0.0.10"}
    found = list(api.manifests(lab_sources() / "manifests", values))
    assert "StorageClass" in {manifest["kind"] for manifest in found}
    for manifest in found:
        assert api.KINDS[manifest["kind"]][1] == ("namespace" in manifest["metadata"])


def test_every_server_starts_by_an_absolute_path_and_tells_no_secret(tmp_path: Path) -> None:
    for server in servers(Lab("a", 0, tmp_path), PROGRAMS):
        assert Path(server.argv[0]).is_absolute()
        assert not any("BEGIN" in argument for argument in server.argv)


def test_two_labs_share_no_argument_that_names_a_place(tmp_path: Path) -> None:
    first, second = (servers(Lab(name, slot, tmp_path / name), PROGRAMS) for name, slot in (("a", 0), ("b", 1)))
    shared = {argument for server in first for argument in server.argv} & {
        argument for server in second for argument in server.argv
    }
    assert [] == [argument for argument in shared if str(tmp_path) in argument or "10.19" in argument]


def test_lab_keeps_its_slot_and_the_next_gets_another(tmp_path: Path) -> None:
    records = LabRecords(FakeCommands(lambda _: "[]"), tmp_path)
    assert [0, 1, 0] == [records.claim(name).slot for name in ("a", "b", "a")]
    assert ["a", "b"] == records.names()


def test_lab_cannot_lie_where_the_node_would_hide_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAMILL_LABS", "/run/labs")
    with pytest.raises(ConfigurationError, match="hide them"):
        labs_directory()


def test_machine_that_has_no_installer_is_told_what_it_lacks() -> None:
    with pytest.raises(ClusterError, match="bring: conntrack, containerd"):
        install_missing(FakeCommands(), notify=lambda _: None)


def test_what_is_missing_is_installed_and_looked_for_again() -> None:
    commands = FakeCommands(programs=["apt-get"])
    with pytest.raises(ClusterError, match="still missing: debootstrap"):
        install_missing(commands, notify=lambda _: None, programs={"debootstrap": "debootstrap"})
    assert ["apt-get", "apt-get"] == [argv[0] for argv in commands.ran]
    assert "debootstrap" == commands.ran[-1][-1]


def test_launcher_names_all_jars_in_lines_that_java_reads(tmp_path: Path) -> None:
    jars = [Path(f"libs/some-library-with-a-long-name-{number}-1.2.3.jar") for number in range(9)]
    write_launcher(tmp_path / "launcher", "org.example.Main", jars, {"settings": "a=b"})
    with zipfile.ZipFile(tmp_path / "launcher") as jar:
        text = jar.read("META-INF/MANIFEST.MF").decode()
        assert b"a=b" == jar.read("settings")
    assert max(len(line.encode()) for line in text.split("\r\n")) <= 72
    assert "Class-Path: " + " ".join(map(str, jars)) in text.replace("\r\n ", "")
    assert "Main-Class: org.example.Main\r\n" in text
