"""Which image is built on which."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from infra.clusters.fakes import FakeCommands

from datamill_infra.images import building
from datamill_infra.images import contexts as contexts_module
from datamill_infra.images.building import ImageBuilder
from datamill_infra.images.contexts import gather
from datamill_infra.images.sources import IMAGES, Image


@pytest.fixture
def gathered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(building, "gather", lambda image, *_, **__: names.append(image.name))
    return names


class Store(FakeCommands):
    """Remembers what was built."""

    def __init__(self) -> None:
        super().__init__(self._answer, programs=["docker"])
        self.built: list[tuple[str, str | None]] = []

    def _answer(self, argv: Sequence[str]) -> str:
        if "build" in argv:
            base = argv[argv.index("--build-arg") + 1].removeprefix("BASE=") if "--build-arg" in argv else None
            self.built.append((argv[argv.index("--tag") + 1], base))
        return "\n".join(name for name, _ in self.built) if "images" in argv else ""


def builder(commands: FakeCommands) -> ImageBuilder:
    return ImageBuilder(commands, notify=lambda _: None)


def test_what_an_image_stands_on_is_built_before_it(gathered: list[str]) -> None:
    store = Store()
    assert builder(store).build(IMAGES["infrastructure"], base="debian:12") == "datamill.lab/infrastructure:lab"
    assert ["runtime", "pipelines", "infrastructure"] == gathered
    assert [base for _, base in store.built] == ["debian:12", "datamill.lab/runtime:lab", "datamill.lab/pipelines:lab"]
    assert ["docker", "tag", store.built[-1][0], "datamill.lab/infrastructure:lab"] == store.ran[-1]


def test_what_is_there_with_the_same_content_is_not_built_again(
    gathered: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = Store()
    builder(store).build(IMAGES["pipelines"], base="debian:12")
    builder(store).build(IMAGES["pipelines"], base="debian:12")
    assert ["runtime", "pipelines"] == gathered
    builder(store).build(IMAGES["pipelines"], base="debian:13")
    assert ["runtime", "pipelines"] * 2 == gathered
    monkeypatch.setattr(Image, "sources", property(lambda self: [_file(tmp_path, self.name)]))
    monkeypatch.setattr(building, "PROJECT", tmp_path)
    builder(store).build(IMAGES["pipelines"], base="debian:12")
    assert ["runtime", "pipelines"] * 3 == gathered


def test_a_users_folders_are_in_what_has_the_project_and_decide_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pipelines" / "mine" / "definitions.py"
    file.parent.mkdir(parents=True)
    contexts: list[tuple[str, list[str]]] = []

    def looked(image: Image, context: Path, commands: FakeCommands, **options: Any) -> None:  # noqa: ANN401
        if image.project:
            monkeypatch.setattr(contexts_module, "_compile", lambda *_: None)
            gather(image, context, commands, **options)
        contexts.append((image.name, [str(one.relative_to(context)) for one in context.rglob("mine/*")]))

    monkeypatch.setattr(building, "gather", looked)
    store = Store()
    for text in ("one", "two", "two"):
        file.write_text(text)
        ImageBuilder(store, notify=lambda _: None, own=[tmp_path / "pipelines"]).build(IMAGES["pipelines"], base="b")
    with_it = ("pipelines", ["own/pipelines/mine/definitions.py"])
    assert [("runtime", []), with_it, with_it] == contexts


def _file(folder: Path, name: str) -> Path:
    file = folder / name
    file.write_text("other content")
    return file


@pytest.mark.parametrize("image", IMAGES.values(), ids=lambda image: image.name)
def test_every_image_has_a_dockerfile_that_takes_its_base(image: Image) -> None:
    lines = (image.folder / "Dockerfile").read_text(encoding="utf-8").splitlines()
    (base,) = [line for line in lines if line.startswith("ARG BASE=")]
    assert "FROM ${BASE}" in lines
    assert (image.on is not None) == ("localhost/datamill/" in base)
    # Nobody runs as root: of these, only what stands on another takes its user from there.
    assert image.on is not None or any(line.startswith("USER ") for line in lines)


def test_all_is_built_in_an_order_that_works() -> None:
    names = list(IMAGES)
    for image in IMAGES.values():
        assert image.on is None or names.index(image.on) < names.index(image.name)


@pytest.mark.parametrize("tool", ["podman", "docker"])
def test_several_images_go_to_one_archive(tool: str, tmp_path: Path) -> None:
    commands = FakeCommands(programs=[tool])
    archive = tmp_path / "images.tar"
    assert archive == builder(commands).save(["a:1", "b:1"], archive)
    assert [[tool, "save"], ["a:1", "b:1"]] == [commands.ran[-1][:2], commands.ran[-1][-2:]]
    assert str(archive) in commands.ran[-1]


LAYERS = {"a:1": ["base"], "b:1": ["base", "b"], "c:1": ["base", "c"], "d:1": ["base", "c"]}


def stored(argv: Sequence[str]) -> str:
    """As buildah answers, of images with these layers."""
    if "inspect" in argv:
        return json.dumps({"Config": configuration(argv[-1])})
    _, file, name, tag = argv[-1].split(":")
    listed = [f"{layer}.tar" for layer in LAYERS[f"{name}:{tag}"]]
    files = {layer: layer.encode() for layer in listed}
    files[f"{name}.json"] = configuration(f"{name}:{tag}").encode()
    one = {"Config": f"{name}.json", "RepoTags": [f"{name}:{tag}"], "Layers": listed}
    files["manifest.json"] = json.dumps([one]).encode()
    with tarfile.open(file, "w") as tar:
        for entry, content in files.items():
            info = tarfile.TarInfo(entry)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return ""


def configuration(reference: str) -> str:
    return json.dumps({"of": reference, "rootfs": {"diff_ids": [f"sha256:{layer}" for layer in LAYERS[reference]]}})


def test_what_images_of_one_archive_have_in_common_is_read_and_written_once(tmp_path: Path) -> None:
    archive, commands = tmp_path / "images.tar", FakeCommands(stored, programs=["buildah"])
    builder(commands).save(list(LAYERS), archive)
    assert ["b:1", "c:1"] == [argv[-2] for argv in commands.ran if "push" in argv]
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        files = {name: (tar.extractfile(name) or io.BytesIO()).read() for name in names}
    assert len(files) == len(names)
    assert ["b.tar", "base.tar", "c.tar"] == sorted(name for name in files if name.endswith(".tar"))
    images = {one["RepoTags"][0]: one for one in json.loads(files["manifest.json"])}
    assert LAYERS == {name: [layer.removesuffix(".tar") for layer in one["Layers"]] for name, one in images.items()}
    assert {name: configuration(name) for name in LAYERS} == {
        name: files[one["Config"]].decode() for name, one in images.items()
    }
    assert [archive] == list(tmp_path.iterdir())
