"""Units that are made from something else than a chart of this project. Git and the cache are real."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from infra.drivers.helm.pond import NAMESPACE, Pond, render

from datamill_infra.drivers.helm import programs
from datamill_infra.drivers.helm.door import HelmError
from datamill_infra.drivers.helm.manifests import kustomized, labelled, read
from datamill_infra.drivers.helm.packages import Wrapped
from datamill_infra.drivers.helm.programs import ProgramError
from datamill_infra.drivers.helm.sources import Sources
from datamill_infra.kubernetes.objects import Ref
from datamill_infra.model.errors import ArtifactError, ConfigurationError

GIT = shutil.which("git") or "git"
FLY = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fly"}, "data": {"a": "{{ not a template }}"}}'


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("DATAMILL_CACHE", str(folder))
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A Git repository with one kustomization."""
    folder = tmp_path / "repository"
    (folder / "base").mkdir(parents=True)
    (folder / "base" / "kustomization.yaml").write_text("resources: [fly.yaml]\n", encoding="utf-8")
    (folder / "base" / "fly.yaml").write_text(FLY, encoding="utf-8")
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "one"]):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run([GIT, *who, *command], cwd=folder, check=True)
    return folder


def head(repository: Path) -> str:
    command = [GIT, "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout.strip()


def replace_unit(pond: Pond, old: str, new: str) -> None:
    file = pond.home / "catalogue" / "frog" / "component.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def packaged(version: str) -> bytes:
    """A chart's archive."""
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w:gz") as archive:
        content = f'apiVersion: v2\nname: frog\nversion: "{version}"\n'.encode()
        entry = tarfile.TarInfo("frog/Chart.yaml")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return into.getvalue()


def keep(cache: Path, kind: str, content: bytes, ending: str) -> str:
    """Something in the cache; its digest."""
    digest = hashlib.sha256(content).hexdigest()
    (cache / kind).mkdir(parents=True)
    (cache / kind / f"{digest}.{ending}").write_bytes(content)
    return digest


def as_manifests(pond: Pond, cache: Path, text: str) -> None:
    """The frog's only unit is this file."""
    digest = keep(cache, "manifests", text.encode(), "yaml")
    replace_unit(
        pond,
        'kind: chart\n      source: own:frog\n      version: "1.2.3"\n',
        'kind: manifests\n      source: https://example.org/frog.yaml\n      version: "1.2.3"\n'
        f'      digest: "sha256:{digest}"\n',
    )
    replace_unit(pond, '      values: {colour: "${values.colour}"}\n      ready', "      ready")


def test_packaged_chart_comes_from_the_cache_by_its_digest(pond: Pond, cache: Path) -> None:
    digest = keep(cache, "charts", packaged("1.2.3"), "tgz")
    pond.helm.render[f"{digest}.tgz"] = render
    replace_unit(pond, "source: own:frog\n", f"source: oci://example.org/frog\n      digest: sha256:{digest}\n")
    assert {"frog": "changed", "fly": "changed"} == pond.statuses()
    assert {"frog": "unchanged", "fly": "unchanged"} == pond.statuses()


def test_packaged_chart_of_another_version_is_refused(pond: Pond, cache: Path) -> None:
    digest = keep(cache, "charts", packaged("9.9.9"), "tgz")
    replace_unit(pond, "source: own:frog\n", f"source: oci://example.org/frog\n      digest: sha256:{digest}\n")
    with pytest.raises(ConfigurationError, match=r"wants version 1\.2\.3 of the chart 'frog', which is 9\.9\.9"):
        pond.rollout.plan()


@pytest.mark.usefixtures("cache")
def test_chart_that_cannot_be_pulled_is_told(pond: Pond) -> None:
    replace_unit(pond, "source: own:frog\n", f"source: oci://example.org/frog\n      digest: sha256:{'0' * 64}\n")
    with pytest.raises(HelmError, match="oci://example"):
        pond.rollout.plan()


def test_chart_with_another_digest_is_not_kept(pond: Pond, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pull(source: str, chart: str | None, version: str, into: Path) -> Path:
        del source, chart, version
        (into / "frog.tgz").write_bytes(packaged("1.2.3"))
        return into / "frog.tgz"

    monkeypatch.setattr(pond.helm, "pull", pull)
    replace_unit(pond, "source: own:frog\n", f"source: oci://example.org/frog\n      digest: sha256:{'0' * 64}\n")
    with pytest.raises(ArtifactError, match="but the component says 000"):
        pond.rollout.plan()
    assert [] == list(cache.glob("charts/*"))


def test_chart_in_the_folder_of_a_component(pond: Pond) -> None:
    shutil.copytree(pond.home / "helm" / "frog", pond.home / "catalogue" / "frog" / "charts" / "frog")
    replace_unit(pond, "source: own:frog", "source: local:charts/frog")
    assert {"frog": "changed", "fly": "changed"} == pond.statuses()


def test_local_chart_that_is_not_there_is_named(pond: Pond) -> None:
    replace_unit(pond, "source: own:frog", "source: local:charts/frog")
    with pytest.raises(ConfigurationError, match="no file 'charts/frog'"):
        pond.rollout.plan()


def test_manifests_become_a_release(pond: Pond, cache: Path) -> None:
    items = render("frog", NAMESPACE, {"colour": "green"})
    for item in items:
        item["metadata"].pop("namespace", None)  # one metadata for all
    as_manifests(pond, cache, "\n---\n".join(json.dumps(item) for item in items))
    assert {"frog": "changed", "fly": "changed"} == pond.statuses()
    assert {"frog": "unchanged", "fly": "unchanged"} == pond.statuses()
    pond.cluster.edit(pond.ref("ConfigMap"), lambda item: item["data"].update(colour="red"))
    assert "drifted" == pond.states()["frog"]
    pond.rollout.down()
    assert pond.cluster.get(pond.ref("ConfigMap")) is None


def test_namespace_among_manifests_is_made_with_its_labels_and_goes_with_no_release(pond: Pond, cache: Path) -> None:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {"a": "b"}}}
    items = [space, *render("frog", NAMESPACE, {"colour": "green"})]
    as_manifests(pond, cache, "\n---\n".join(json.dumps(item) for item in items))
    unit = pond.driver.renderer.units("frog")[0]
    assert {"a": "b"} == unit.labels
    assert "Namespace" not in {item["kind"] for item in unit.objects}


def test_braces_in_manifests_are_no_templates(tmp_path: Path) -> None:
    chart = Wrapped("fly", "1.0.0", (json.loads(FLY),)).stage(tmp_path)
    assert ["objects.yaml"] == [file.name for file in (chart / "templates").iterdir()]
    assert "{{ not a template }}" not in (chart / "templates" / "objects.yaml").read_text(encoding="utf-8")
    assert "{{ not a template }}" in (chart / "objects.yaml").read_text(encoding="utf-8")


def test_pods_of_manifests_are_found_by_their_release() -> None:
    item = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {"template": {}}}
    made = labelled(item, "frog")
    assert {"app.kubernetes.io/instance": "frog"} == made["metadata"]["labels"]
    assert {"app.kubernetes.io/instance": "frog"} == made["spec"]["template"]["metadata"]["labels"]


def test_lists_are_taken_apart_and_other_things_refused() -> None:
    listed = read(f'{{"apiVersion": "v1", "kind": "List", "items": [{FLY}]}}', "a file")
    assert ["ConfigMap"] == [item["kind"] for item in listed]
    with pytest.raises(ConfigurationError, match=r"a file: .* is no object"):
        read("just: text", "a file")


def test_commit_is_fetched_once(repository: Path, pond: Pond, cache: Path) -> None:
    sources, commit = Sources(pond.helm), head(repository)
    tree = sources.commit(repository.as_uri(), commit)
    assert cache / "trees" / commit == tree
    shutil.rmtree(repository)
    assert FLY == (sources.commit(repository.as_uri(), commit) / "base" / "fly.yaml").read_text(encoding="utf-8")


@pytest.mark.usefixtures("cache")
def test_commit_that_is_not_there_is_told(repository: Path, pond: Pond) -> None:
    with pytest.raises(ProgramError, match="git fetch"):
        Sources(pond.helm).commit(repository.as_uri(), "0" * 40)


def test_kustomize_that_is_not_here_says_how_to_get_it(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs.shutil, "which", lambda _: None)
    with pytest.raises(ProgramError, match="no `kustomize` in PATH") as caught:
        kustomized(repository, "base", None)
    assert "go install sigs.k8s.io/kustomize" in caught.value.instruction


def test_kustomize_is_given_the_overlay_above_the_base(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def run(argv: list[str]) -> str:
        folder = Path(argv[-1])
        seen.extend([argv[1], (folder / "kustomization.yaml").read_text(encoding="utf-8").strip()])
        base = (folder / "../base/kustomization.yaml").read_text(encoding="utf-8")
        assert (folder / "../base" / base.split("[")[1].split("]")[0] / "fly.yaml").exists()
        return FLY

    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text("resources: [../base]\n", encoding="utf-8")
    monkeypatch.setattr("datamill_infra.drivers.helm.manifests.run", run)
    assert [Ref("v1", "ConfigMap", "", "fly")] == [Ref.of(item) for item in kustomized(repository, "base", overlay)]
    assert ["build", "resources: [../base]"] == seen
