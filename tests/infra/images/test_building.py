"""Which image is built on which."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from infra.clusters.fakes import FakeCommands

from datamill_infra.images import building
from datamill_infra.images.building import ImageBuilder
from datamill_infra.images.sources import IMAGES, Image


@pytest.fixture
def gathered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(building, "gather", lambda image, *_, **__: names.append(image.name))
    return names


def builder(present: Sequence[str] = ()) -> tuple[ImageBuilder, FakeCommands]:
    commands = FakeCommands(lambda argv: "\n".join(present) if "images" in argv else "", programs=["docker"])
    return ImageBuilder(commands, notify=lambda _: None), commands


def built(commands: FakeCommands) -> list[tuple[str, str | None]]:
    """Reference and base of each build."""
    found = []
    for argv in commands.ran:
        if "build" in argv:
            base = argv[argv.index("--build-arg") + 1].removeprefix("BASE=") if "--build-arg" in argv else None
            found.append((argv[argv.index("--tag") + 1], base))
    return found


def test_what_an_image_stands_on_is_built_before_it(gathered: list[str]) -> None:
    one, commands = builder()
    one.build(IMAGES["infrastructure"], base="debian:12")
    assert ["pipelines", "infrastructure"] == gathered
    pipelines = "datamill.lab/pipelines:lab"
    assert [(pipelines, "debian:12"), ("datamill.lab/infrastructure:lab", pipelines)] == built(commands)


def test_what_is_there_is_not_built_again_for_another(gathered: list[str]) -> None:
    one, commands = builder(["datamill.lab/pipelines:lab"])
    one.build(IMAGES["infrastructure"], base="debian:12")
    assert ["infrastructure"] == gathered
    assert [("datamill.lab/infrastructure:lab", "datamill.lab/pipelines:lab")] == built(commands)


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
